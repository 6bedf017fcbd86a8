"""The page of what left, and its JSON twin."""

from __future__ import annotations

import httpx
import pytest

from scripted_echo import echo
from scripted_upstream import Answer, gateway, whole

SAID = "我叫张伟，手机号13800138000，身份证11010519491231002X。<script>alert(1)</script>"
VALUES = ("张伟", "13800138000", "11010519491231002X", "13912345678")
TOKEN = "t0ken-of-the-page"


def leaky(path: str, body: dict) -> Answer:
    return whole({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Call 13912345678."}}]})


@pytest.fixture(scope="module")
def live():
    with gateway(leaky, page_token=TOKEN, page_requests=2, api_key="own") as (url, _):
        client = httpx.Client(base_url=url)
        for text in ("first", SAID, SAID + "!"):
            body = {"model": "m<b>", "messages": [{"role": "user", "content": text}], "metadata": {"张伟": "x"}}
            reply = client.post("/v1/chat/completions", json=body, headers={"authorization": "Bearer own"})
            assert reply.status_code == 200
        yield client


def test_the_token_opens_it_and_leaves_the_address_bar(live) -> None:
    client = httpx.Client(base_url=live.base_url)
    reply = client.get("/privacy", params={"token": TOKEN})
    assert (reply.status_code, reply.headers["location"]) == (303, "/privacy")
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/privacy").status_code == 200  # by the cookie


@pytest.mark.parametrize("path", ["/privacy", "/api/v1/privacy"])
@pytest.mark.parametrize("options", [{}, {"params": {"token": "x"}}, {"headers": {"authorization": "Bearer own"}}])
def test_without_the_token_nothing_is_shown(live, path, options) -> None:
    reply = httpx.get(f"{live.base_url}{path}", **options)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "page_token_invalid"


@pytest.mark.parametrize("path", ["/privacy", "/api/v1/privacy"])
def test_without_being_asked_for_there_is_no_page_and_nothing_is_kept(path) -> None:
    with gateway(echo) as (url, _):
        assert httpx.get(url + path, params={"token": ""}).status_code == 404


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_shows_what_left_and_never_the_values(live, language) -> None:
    reply = live.get("/privacy", headers={"x-privacy-token": TOKEN}, params={"lang": language})
    page = reply.text
    assert f'lang="{language}"' in page
    for value in VALUES:
        assert value not in page
    assert "⟦PERSON_1⟧" in page
    assert "<script>" not in page
    assert "m<b>" not in page
    assert {"zh": "居民身份证号", "en": "resident identity number"}[language] in page
    assert page.count("<details") == 2  # the first one is gone
    for outside in ("http://", "https://", "url("):
        assert outside not in page.replace(str(live.base_url), "").replace("http://127.0.0.1", "")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"


def test_the_twin_says_the_same_in_json(live) -> None:
    reply = live.get("/api/v1/privacy", headers={"x-privacy-token": TOKEN})
    newest = reply.json()["data"][0]
    assert (newest["route"], newest["model"], newest["status"]) == ("/v1/chat/completions", "m<b>", 200)
    counts = {each["type"]: each["count"] for each in newest["entities"]}
    assert counts == {"PERSON": 2, "PHONE": 1, "CN_ID": 1}
    assert newest["leaks"] == {"PHONE": 1}
    assert newest["texts"][0]["path"] == "messages[0].content"
    assert newest["texts"][0]["text"].startswith("我叫⟦PERSON_1⟧")
    for value in VALUES:
        assert value not in reply.text


def test_what_is_kept_of_one_request_is_bounded() -> None:
    with gateway(leaky, page_token=TOKEN) as (url, _):
        body = {"messages": [{"role": "user", "content": "word " * 20_000}, {"role": "user", "content": "x"}]}
        httpx.post(url + "/v1/chat/completions", json=body)
        (kept,) = httpx.get(url + "/api/v1/privacy", headers={"x-privacy-token": TOKEN}).json()["data"]
        assert sum(len(text["text"]) for text in kept["texts"]) == 65_536
        assert kept["omitted_characters"] == 100_001 - 65_536
