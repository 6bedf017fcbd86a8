"""Upstreams that break, lie, stall or flood; clients that leave."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import anthropic
import httpx
import openai
import pytest

from fathom.server.gateway import Timeouts, sse, upstream
from scripted_echo import echo
from scripted_upstream import Answer, event, gateway, stream, whole
from serving import wait_for

ASK = {"model": "m", "messages": [{"role": "user", "content": "我叫张伟，手机号13800138000"}]}
STREAM = {"content-type": "text/event-stream"}
SAID = event({"choices": [{"index": 0, "delta": {"content": "hi ⟦PERSON_1⟧ ⟦PER"}, "finish_reason": None}]})


def post(url: str, path: str = "/v1/chat/completions", **options) -> httpx.Response:
    return httpx.post(url + path, json={**ASK, **options}, timeout=20)


def asked(answer: Answer, **settings) -> httpx.Response:
    with gateway(lambda *_: answer, **settings) as (url, _):
        return post(url)


@pytest.mark.parametrize(
    "answer",
    [
        Answer([b'{"choices": ['], headers={"content-type": "application/json"}),
        Answer([b"<html>welcome</html>"], headers={"content-type": "text/html"}),
        Answer([b""], headers={}),
        Answer([b"\xff\xfe"], headers={"content-type": "application/json"}),
        Answer([b"[" * 100_000]),
        Answer([b"x"], headers={"content-type": "application/json", "content-encoding": "br"}),
        Answer([b"x"], headers={"content-type": "application/json", "content-encoding": "gzip"}),
        Answer([b'{"a":'], breaks=True),
    ],
)
def test_an_answer_that_is_none_is_a_502_in_shape(answer) -> None:
    reply = asked(answer)
    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "upstream_broken"
    assert "welcome" not in reply.text


def test_a_redirect_is_not_followed() -> None:
    with gateway(lambda *_: Answer([b""], 307, {"location": "http://127.0.0.1:1/x"})) as (url, behind):
        reply = post(url)
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_broken")
        assert "location" not in reply.headers
        assert len(behind.bodies) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "BadRequestError"), (429, "RateLimitError"), (503, "InternalServerError")]
)
def test_an_error_keeps_status_shape_and_advice_and_its_text_is_unmasked(status, kind) -> None:
    error = {"error": {"message": "too much of ⟦PERSON_1⟧", "type": "t", "param": None, "code": "c"}}
    answer = whole(error, status, **{"retry-after": "7", "x-ratelimit-limit-requests": "5", "set-cookie": "a=b"})
    with gateway(lambda *_: answer) as (url, _):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        with pytest.raises(getattr(openai, kind)) as caught:
            client.chat.completions.create(**ASK, stream=True)
    reply = caught.value.response
    assert reply.json() == {"error": {**error["error"], "message": "too much of 张伟"}}
    assert (reply.headers["retry-after"], reply.headers["x-ratelimit-limit-requests"]) == ("7", "5")
    assert "set-cookie" not in reply.headers


def test_an_error_page_arrives_as_plain_text() -> None:
    reply = asked(Answer([b"<html>502 <script>", "⟦PERSON_1⟧".encode()], 502, {"content-type": "text/html"}))
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.text == "<html>502 <script>张伟"


def test_compressed_answers_are_read() -> None:
    import gzip

    data = gzip.compress(json.dumps({"choices": [{"message": {"content": "⟦PERSON_1⟧"}}]}).encode())
    reply = asked(Answer([data], headers={"content-type": "application/json", "content-encoding": "gzip"}))
    assert reply.json()["choices"][0]["message"]["content"] == "张伟"


def test_an_answer_without_end_is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(upstream, "LONGEST", 10_000)
    reply = asked(Answer([b'{"a": "', *[b"x" * 1000] * 100]))
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_broken")


@pytest.mark.parametrize(
    "answer",
    [
        stream([SAID]),  # no end
        stream([SAID, "data: {"]),
        stream([SAID], breaks=True),
        stream([SAID, b"data: " + b"x" * 30_000]),  # a line that is too long
        stream([SAID, ": ping\n\n"], pause_s=3.0),  # silence
    ],
)
def test_a_stream_that_breaks_ends_in_an_event_the_client_understands(monkeypatch, answer) -> None:
    monkeypatch.setattr(sse, "LONGEST", 20_000)
    with gateway(lambda *_: answer, timeouts=Timeouts(read=1.0)) as (url, _):
        client = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0)
        said: list[str] = []
        chunks = client.chat.completions.create(**ASK, stream=True)
        with pytest.raises(openai.APIError) as caught:
            said.extend(chunk.choices[0].delta.content for chunk in chunks)
        assert "".join(said).startswith("hi 张伟 ")
        assert "upstream" in str(caught.value)
        assert post(url, stream=True).text.endswith("data: [DONE]\n\n")


def test_a_broken_stream_of_messages_ends_in_anthropics_error() -> None:
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    with gateway(lambda *_: stream([event(start, "content_block_start")])) as (url, _):
        client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
        with pytest.raises(anthropic.APIStatusError):
            list(client.messages.create(**ASK, max_tokens=9, stream=True))


def test_a_broken_stream_of_responses_ends_in_its_error() -> None:
    created = {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "output": []}}
    with gateway(lambda *_: stream([event(created, "response.created")])) as (url, _):
        last = httpx.post(url + "/v1/responses", json={"input": "x", "stream": True}).text.strip().split("\n")
    assert last[-2] == "event: error"
    told = json.loads(last[-1].removeprefix("data: "))
    assert (told["type"], told["code"], told["sequence_number"]) == ("error", "upstream_broken", 1)


def test_odd_events_pass_or_are_put_into_shape() -> None:
    odd = [
        ": comment\n\n",
        "id: 4\nretry: 9\n\n",
        event("not JSON ⟦PERSON_1⟧"),
        event([1, "x"]),
        event({"choices": "none"}),
        event({"choices": [7, {"index": "a", "delta": [1]}, {"delta": {"content": ["⟦PERSON_1⟧", {"text": "x"}]}}]}),
        event({"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}),
        event("[DONE]"),
    ]
    with gateway(lambda *_: stream(odd)) as (url, _):
        text = post(url, stream=True).text
    assert text.startswith(": comment\n\nid: 4\nretry: 9\n\ndata: not JSON 张伟\n\n")
    assert '["张伟",{"text":"x"}]' in text
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("silence", [Answer([b"{}"], first_s=5.0), Answer([b" ", b"{}"], pause_s=5.0)])
def test_a_silent_upstream_is_a_504(silence) -> None:
    reply = asked(silence, timeouts=Timeouts(read=0.3))
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "upstream_timeout")


def test_a_slow_upstream_ends_with_the_time_of_the_whole() -> None:
    drops = Answer([b" "] * 100, pause_s=0.1)
    assert asked(drops, timeouts=Timeouts(total=0.5)).status_code == 504
    events = Answer([SAID.encode()] * 100, headers=STREAM, pause_s=0.1)
    with gateway(lambda *_: events, timeouts=Timeouts(total=0.5)) as (url, _):
        assert '"upstream_timeout"' in post(url, stream=True).text


def test_an_upstream_that_is_not_there_is_a_502() -> None:
    from fathom.guard import Masker
    from fathom.server.gateway import Settings, create_gateway
    from serving import running

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(create_gateway(Settings(f"http://127.0.0.1:{port}"), Masker())) as url:
        reply = post(url)
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_unreachable")
        assert httpx.get(url + "/v1/models").status_code == 502
        assert post(url, "/v1/messages").json()["type"] == "error"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_ends_the_work_upstream(streamed) -> None:
    answer = Answer([SAID.encode()] * 1000, headers=STREAM, pause_s=0.02) if streamed else Answer([b"{}"], first_s=20)
    with gateway(lambda *_: answer) as (url, behind):

        async def leave() -> None:
            async with httpx.AsyncClient() as client:
                task = asyncio.create_task(client.post(url + "/v1/chat/completions", json={**ASK, "stream": streamed}))
                while not behind.running:
                    await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(leave())
        started = time.monotonic()
        wait_for(lambda: behind.gone == 1)
        assert time.monotonic() - started < 2
        wait_for(lambda: "requests_running 0.0" in httpx.get(url + "/metrics").text)


BAD = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 400),
    (b'{"messages": 7}', 200),
    (b'{"messages": [[], 1, null, {"content": {"type": ["image"]}}]}', 200),
    (b'{"prompt": null, "input": {}, "tools": "x", "metadata": [{"a": {"b": "c"}}]}', 200),
    (b'{"a": "\xff"}', 400),
    (b'{"a": "\\ud800"}', 400),
    (b"[" * 10_000, 400),
]


@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings", "responses", "messages"])
def test_any_body_gets_an_answer_in_shape(path) -> None:
    with gateway(lambda *_: whole({"ok": True})) as (url, _):
        for body, status in BAD:
            headers = {"content-type": "application/json"}
            reply = httpx.post(f"{url}/v1/{path}", content=body, headers=headers)
            assert reply.status_code == status, body
        assert httpx.post(f"{url}/v1/{path}", content=b"{}", headers={"content-type": "text/plain"}).status_code == 400
        assert httpx.get(f"{url}/v1/{path}").status_code == 405
        assert httpx.get(f"{url}/v1/nothing").json()["error"]["code"] == "route_unknown"


def test_two_requests_at_once_never_share_a_vault() -> None:
    with gateway(echo) as (url, _):

        async def both() -> list[str]:
            async with httpx.AsyncClient(timeout=30) as client:
                bodies = [
                    {"messages": [{"role": "user", "content": f"我叫张伟，手机号138001380{i:02}"}]} for i in range(16)
                ]
                replies = await asyncio.gather(*(client.post(url + "/v1/chat/completions", json=b) for b in bodies))
                return [reply.json()["choices"][0]["message"]["content"] for reply in replies]

        assert asyncio.run(both()) == [f"我叫张伟，手机号138001380{i:02}" for i in range(16)]


@pytest.mark.parametrize("name", ["%2e%2e/files", "a/%2e%2e/%2e%2e/files", "%2e%2e/%2e%2e/admin", "%2e"])
def test_the_name_of_a_model_leads_nowhere_else_at_the_upstream(name: str) -> None:
    with gateway(lambda *_: whole({})) as (url, upstream):
        assert httpx.get(f"{url}/v1/models/{name}").status_code == 400
        assert not upstream.heads
