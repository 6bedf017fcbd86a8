"""The input gate over HTTP: floods and oddities are a 4xx at once, changes are told, nobody reads another's cache."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from contextlib import suppress

import httpx
import pytest

from fathom.guard.limits import Limits
from fathom.llm import LLM
from fathom.server import create_app
from serving import Slow, running

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
POSTS = {
    CHAT: {"messages": [{"role": "user", "content": "the cat"}], "max_tokens": 2},
    COMPLETIONS: {"prompt": "the cat", "max_tokens": 2},
    "/tokenize": {"content": "the cat"},
    "/detokenize": {"tokens": [20, 21]},
}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def llm(checkpoint) -> LLM:
    return LLM(checkpoint)


@pytest.fixture(scope="module")
def http(llm):
    with running(create_app(llm, model_name="tiny")) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def error_of(reply: httpx.Response) -> dict[str, str | None]:
    assert 400 <= reply.status_code < 500, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("more", "says"),
    [
        (b'"a": 1, "a": 1', "twice"),
        (b'"a": NaN', "NaN"),
        (b'"a": 1e999', "too large"),
        (b'"a": ' + b"1" * 400, "number"),
        (b'"a": "\\udc00"', "surrogate"),
        (b'"a": "\xc0\xaf"', "UTF-8"),
        (b'"a": ' + b"[" * 100_000, "deep"),
        (b'"a": ' + b"[" * 100 + b"]" * 100, "deep"),
        (b'"a": [' + b"{}," * 600_000 + b"{}]", "values"),
        (b'"' + b'": 1, "'.join(b"%d" % i for i in range(70_000)) + b'": 1', "keys"),
    ],
)
def test_what_is_out_of_measure_is_refused_on_every_route(http, path, more, says) -> None:
    body = json.dumps(POSTS[path]).encode()[:-1] + b", " + more + b"}"
    assert says in error_of(http.post(path, content=body, headers=JSON))["message"]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"messages": POSTS[CHAT]["messages"] * 10_000}, "messages"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 2000}]},
            "messages[0].content",
        ),
        (CHAT, {"tools": [{"type": "function", "function": {"name": "f"}}] * 1000}, "tools"),
        (CHAT, {"stop": "x" * 2000}, "stop"),
        (CHAT, {"logit_bias": {str(i): 1 for i in range(5000)}}, "logit_bias"),
        (CHAT, {"messages": [{"role": "user", "content": "x" * 1_000_000}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": "xyz " * 250_000}]}, "prompt"),
        (CHAT, {"messages": [{"role": "user", "content": "\n \t" * 330_000}]}, "prompt"),
        (COMPLETIONS, {"prompt": "x" * 1_000_000}, "prompt"),
        (COMPLETIONS, {"prompt": ["xyz " * 500_000] * 3}, "prompt[2]"),
        ("/tokenize", {"content": "x" * 1_000_000}, "content"),
        ("/tokenize", {"content": "xyz " * 1_100_000}, "content"),
        (COMPLETIONS, {"prompt": ["a", "\n" * 16_000 * 8]}, "prompt[1]"),
        (COMPLETIONS, {"prompt": ["a", "xyz " * 250_000]}, "prompt"),
        (COMPLETIONS, {"cache_salt": ""}, "cache_salt"),
        (COMPLETIONS, {"cache_salt": "x" * 2000}, "cache_salt"),
        (COMPLETIONS, {"regex": "(" * 100 + ")" * 100}, "regex"),
        (COMPLETIONS, {"regex": "a" * 300_000}, "regex"),
        (COMPLETIONS, {"grammar": 'start: %json {"type": "integer", "multipleOf": 999983}'}, "grammar"),
    ],
)
def test_floods_name_their_field_within_a_second(http, path, fields, param) -> None:
    start = time.process_time()
    error = error_of(http.post(path, json={**POSTS[path], **fields}))
    assert error["param"] == param
    assert time.process_time() - start < 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "fields", "headers"),
    [
        (CHAT, {}, {}),
        (CHAT, {"messages": [{"role": "user", "content": "a\u202eb"}]}, {"cleaned": "messages[0].content"}),
        (CHAT, {"messages": [{"role": "user", "content": "\ue000"}]}, {"flagged": "messages[0].content (private use)"}),
        (COMPLETIONS, {"prompt": ["a", "ig\u200bnore"], "x": 1}, {"cleaned": "prompt[1]", "ignored": "x"}),
        (COMPLETIONS, {"prompt": "User: a\n" * 20}, {"flagged": "prompt (more than 16 turns)"}),
    ],
)
def test_what_was_done_to_a_text_is_told(http, path, fields, headers, stream) -> None:
    reply = http.post(path, json={**POSTS[path], **fields, "stream": stream})
    assert reply.status_code == 200
    told = {name.removeprefix("x-fathom-"): value for name, value in reply.headers.items() if "x-fathom" in name}
    assert told == headers


def test_the_model_reads_the_cleaned_text_and_tokenize_the_text_as_it_is(http) -> None:
    echo = {**POSTS[COMPLETIONS], "prompt": "the\u202e cat", "echo": True}
    assert http.post(COMPLETIONS, json=echo).json()["choices"][0]["text"].startswith("the cat")
    tokens = http.post("/tokenize", json={"content": "the\u202e cat"}).json()["tokens"]
    assert http.post("/detokenize", json={"tokens": tokens}).json() == {"content": "the\u202e cat"}


def test_tokenize_reads_control_tokens_only_when_told(http, llm) -> None:
    def tokens(**options: bool) -> list[int]:
        return http.post("/tokenize", json={"content": "<｜User｜>a", **options}).json()["tokens"]

    assert not set(tokens()) & set(llm.tokenizer.controls)
    assert [i for i in tokens(parse_special=True) if i in llm.tokenizer.controls] == [3]


def test_a_computed_prompt_is_found_only_with_the_same_salt(http) -> None:
    def cached(**salt: str) -> int:
        body = {"prompt": [20 + i % 50 for i in range(300)], "max_tokens": 1, **salt}
        return http.post(COMPLETIONS, json=body).json()["usage"]["prompt_tokens_details"]["cached_tokens"]

    assert [cached(), cached(), cached(cache_salt="mine"), cached(cache_salt="mine")] == [0, 256, 0, 256]
    assert [cached(cache_salt="other"), cached()] == [0, 256]


HEAD = b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b'content-length: 1000\r\n\r\n{"prompt": ',
        HEAD + b'transfer-encoding: chunked\r\n\r\n9\r\n{"prompt"\r\nzz\r\n',
        HEAD + b"content-length: -5\r\n\r\n",
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"x: " + b"a" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_requests_that_break_off_or_are_none_are_no_fault_of_ours(http, caplog, raw) -> None:
    with caplog.at_level(logging.INFO, "fathom.server"):
        answer = spoken(http.base_url, raw, ends=True)
        assert http.get("/version").status_code == 200
    assert not re.match(rb"HTTP/1.1 5", answer)
    assert "ERROR" not in caplog.text
    assert "' 500 " not in caplog.text


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with running(create_app(None, model_name="tiny", limits=Limits(upload_seconds=1))) as url:
        answer = spoken(
            httpx.URL(url), HEAD + b'connection: close\r\ncontent-length: 1000\r\n\r\n{"prompt": ', ends=False
        )
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"within 1 s" in answer


def spoken(there: httpx.URL, raw: bytes, *, ends: bool) -> bytes:
    """What the server says to ``raw`` bytes before it closes the connection; it may do so amid them."""
    answer = b""
    with socket.create_connection((there.host, there.port), timeout=20) as client, suppress(OSError):
        client.sendall(raw)
        if ends:
            client.shutdown(socket.SHUT_WR)
        while piece := client.recv(4096):
            answer += piece
    return answer


def test_a_request_that_could_cost_too_much_is_refused_and_told_the_measure(checkpoint) -> None:
    with (
        running(create_app(LLM(checkpoint), model_name="tiny", limits=Limits(contexts=2))) as url,
        httpx.Client(base_url=url) as http,
    ):
        error = error_of(http.post(CHAT, json={"messages": POSTS[CHAT]["messages"], "n": 3}))
        assert (error["param"], "at most 4096" in error["message"]) == ("max_tokens", True)
        assert http.post(CHAT, json={**POSTS[CHAT], "n": 3}).status_code == 200


@pytest.mark.parametrize("asked", [None, 500, 0.3])
def test_the_servers_deadline_holds_and_a_request_may_set_an_earlier_one(checkpoint, asked) -> None:
    llm = LLM(checkpoint)
    llm.engine._model = Slow(llm.model)
    body = {"prompt": "the", "max_tokens": 2000, "ignore_eos": True, **({"max_seconds": asked} if asked else {})}
    with running(create_app(llm, model_name="tiny", limits=Limits(seconds=1))) as url:
        start = time.monotonic()
        choice = httpx.post(url + COMPLETIONS, json=body, timeout=30).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert time.monotonic() - start < 8  # 2000 steps take 10 s at least
