"""POST /api/v1/mask and /api/v1/unmask."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.guard import Masker
from fathom.guard.limits import Limits
from fathom.server import create_app
from fathom.server.gateway import Settings, create_gateway
from serving import running

TEXT = "电话13812345678，邮箱 zhang@example.org，再打13812345678"


@pytest.fixture(scope="module")
def http():
    """No model is needed, nor waited for."""
    app = create_app(None, model_name="none", limits=Limits(body_bytes=200_000))
    with running(app) as url, httpx.Client(base_url=url) as client:
        yield client


def mask(http, **body) -> httpx.Response:
    return http.post("/api/v1/mask", json=body)


def test_one_text(http):
    reply = mask(http, text=TEXT).json()
    assert set(reply) == {"text", "entities", "vault"}
    assert reply["text"] == "电话⟦PHONE_1⟧，邮箱 ⟦EMAIL_1⟧，再打⟦PHONE_1⟧"
    assert reply["vault"] == {"⟦PHONE_1⟧": "13812345678", "⟦EMAIL_1⟧": "zhang@example.org"}
    assert [list(entity.values())[:3] for entity in reply["entities"]] == [
        ["PHONE", 2, 13],
        ["EMAIL", 17, 34],
        ["PHONE", 37, 48],
    ]
    assert all(0.5 <= entity["score"] <= 1 for entity in reply["entities"])


def test_texts_that_belong_together_share_the_vault(http):
    reply = mask(http, text=["a@b.cn", "", "a@b.cn c@d.cn"]).json()
    assert reply["text"] == ["⟦EMAIL_1⟧", "", "⟦EMAIL_1⟧ ⟦EMAIL_2⟧"]
    assert [len(one) for one in reply["entities"]] == [1, 0, 2]
    back = http.post("/api/v1/unmask", json={"text": reply["text"], "vault": reply["vault"]})
    assert back.json() == {"text": ["a@b.cn", "", "a@b.cn c@d.cn"], "unknown": []}
    back = http.post("/api/v1/unmask", json={"text": "<email 2> [EMAIL_3]", "vault": reply["vault"]})
    assert back.json() == {"text": "c@d.cn [EMAIL_3]", "unknown": ["⟦EMAIL_3⟧"]}


def test_a_huge_dictionary_is_refused(http):
    reply = mask(http, text="a", dictionary={f"{n:04}" + "x" * 4000: "CUSTOM" for n in range(45)})
    assert reply.status_code == 200
    with mock.patch("fathom.server.mask.MOST_WORDS", 1000):
        reply = mask(http, text="a", dictionary={f"{n:04}" + "x" * 400: "CUSTOM" for n in range(3)})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "dictionary")


def test_strictness_is_asked_for(http):
    assert mask(http, text="卡号4111111111111112").json()["text"] == "卡号4111111111111112"
    assert mask(http, text="卡号4111111111111112", strict=True).json()["text"] == "卡号⟦BANK_CARD_1⟧"


def test_every_option(http):
    options = {
        "types": ["PHONE", "EMAIL"],
        "operator": {"PHONE": "partial", "EMAIL": "hash", "CUSTOM": "redact", "PERSON": "surrogate"},
        "dictionary": {"老王": "PERSON"},
        "patterns": {"ORD-[0-9]+": "CUSTOM"},
        "allow": ["a@b.cn"],
        "threshold": 0.6,
        "key": "0123456789abcdef",
    }
    reply = mask(http, text="老王 13812345678 a@b.cn c@d.cn ORD-7 10.0.0.1", **options).json()
    person, phone, allowed, email, order, ip = reply["text"].split(" ")
    assert (phone, allowed, order, ip) == ("138****5678", "a@b.cn", "[CUSTOM]", "10.0.0.1")
    assert email.startswith("[EMAIL:")
    assert reply["vault"] == {person: "老王"}


@settings(max_examples=50)
@given(
    st.text(st.characters(exclude_categories=["Cs"])) | st.text("⟦⟧PHONE_1 3812345678"),
    st.sampled_from(["placeholder", "surrogate"]),
)
def test_every_text_comes_back(http, text, operator):
    masked = mask(http, text=text, operator=operator).json()
    back = http.post("/api/v1/unmask", json={"text": masked["text"], "vault": masked["vault"]})
    assert back.json()["text"] == text


def test_requests_at_once_never_see_one_another(http):
    def once(number: int) -> dict[str, str]:
        return mask(http, text=f"邮箱 user{number}@example.org").json()["vault"]

    with ThreadPoolExecutor(16) as pool:
        vaults = list(pool.map(once, range(64)))
    assert vaults == [{"⟦EMAIL_1⟧": f"user{number}@example.org"} for number in range(64)]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("mask", {}, "text"),
        ("mask", {"text": 1}, "text"),
        ("mask", {"text": ["a", None]}, "text[1]"),
        ("mask", {"text": "a", "types": ["NAME"]}, None),
        ("mask", {"text": "a", "operator": "hide"}, None),
        ("mask", {"text": "a", "operator": {"NAME": "redact"}}, None),
        ("mask", {"text": "a", "operator": "hash"}, "key"),
        ("mask", {"text": "a", "operator": "hash", "key": "short"}, "key"),
        ("mask", {"text": "a", "patterns": {"(": "CUSTOM"}}, "patterns"),
        ("mask", {"text": "a", "patterns": {"a": "ORDER"}}, None),
        ("mask", {"text": "a", "patterns": {"a" * 2000: "CUSTOM"}}, "patterns"),
        ("mask", {"text": "a", "dictionary": {"": "CUSTOM"}}, "dictionary"),
        ("mask", {"text": "a", "threshold": 2}, "threshold"),
        ("mask", {"text": ["a"] * 5000}, "text"),
        ("unmask", {"text": "a"}, "vault"),
        ("unmask", {"text": "a", "vault": {"": "x"}}, "vault"),
        ("unmask", {"text": "a", "vault": {"x": 1}}, "vault.x"),
    ],
)
def test_bad_bodies_are_400_in_the_one_shape(http, path, body, param):
    reply = http.post(f"/api/v1/{path}", json=body)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert param is None or error["param"].startswith(param)


def test_limits_are_those_of_the_other_routes(http):
    assert mask(http, text="a" * 200_000).status_code == 413
    for raw in (b'{"text": "\xff"}', b'{"text": "\\ud800"}', b'{"text": "a", "text": "b"}'):
        reply = http.post("/api/v1/mask", content=raw, headers={"content-type": "application/json"})
        assert reply.status_code == 400
    assert http.get("/api/v1/mask").status_code == 405


def test_the_gateway_answers_too_and_with_its_own_dictionary():
    app = create_gateway(Settings("http://127.0.0.1:9/v1"), Masker(dictionary={"深蓝计划": "CUSTOM"}))
    with running(app) as url, httpx.Client(base_url=url) as client:
        reply = mask(client, text="深蓝计划 13812345678").json()
        back = client.post("/api/v1/unmask", json={"text": reply["text"], "vault": reply["vault"]})
        assert reply["text"] == "⟦CUSTOM_1⟧ ⟦PHONE_1⟧"
        assert back.json()["text"] == "深蓝计划 13812345678"
        assert mask(client, text="深蓝计划", types=["PHONE"]).json()["text"] == "深蓝计划"


def test_unknown_fields_are_told(http):
    assert mask(http, text="a", colour=1).headers["x-fathom-ignored"] == "colour"


def test_the_document_describes_both_routes(http):
    document = http.get("/openapi.json").json()
    for path, model in (("mask", "MaskRequest"), ("unmask", "UnmaskRequest")):
        content = document["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith(model)
        assert model in document["components"]["schemas"]


def test_nothing_of_a_body_is_logged(http, caplog):
    with caplog.at_level(logging.DEBUG):
        mask(http, text=TEXT, operator="hide")
        mask(http, text=TEXT)
        http.post("/api/v1/unmask", json={"text": TEXT, "vault": {"x": "zhang@example.org", "": "y"}})
    assert "/api/v1/mask" in caplog.text
    assert "13812345678" not in caplog.text
    assert "zhang" not in caplog.text


def test_numbers_and_json_within_a_text_are_left_as_they_are(http):
    text = json.dumps({"total": 1234.5, "note": "\n\\u27e6"})
    assert mask(http, text=text).json()["text"] == text
