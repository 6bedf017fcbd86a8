"""The gateway's promise: nothing that was masked is anywhere but in the client's hands, and answers are the same."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conversations import Conversation, conversation
from fathom.guard import Masker
from fathom.server.gateway import Settings, create_gateway
from fathom.server.gateway.sse import Parser
from scripted_echo import echo
from scripted_upstream import Answer, Upstream, whole
from serving import running

AT_ONCE = 16
TOKEN = "page-token"


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(place, text) of every string; list entries that have an index go by it. JSON in strings is opened."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from strings(member, f"{path}.{key}")
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from strings(member, f"{path}[{member.get('index', i) if isinstance(member, dict) else i}]")
    elif isinstance(value, str):
        yield path, value


def read(raw: bytes, kind: str) -> dict[str, Any]:
    """Every text of an answer by its place, deltas put together."""
    events: list[Any] = [json.loads(raw)] if "json" in kind else []
    if not events:
        events = [json.loads(e.data) for e in Parser().feed(raw) if e.data and e.data != "[DONE]"]
    texts: dict[str, str] = {}
    for event in events:
        place = f"{event.get('type', '')}/{event.get('index', '')}/{event.get('item_id', '')}"
        for path, text in strings({k: v for k, v in event.items() if k not in ("type", "sequence_number")}):
            whole_event = "json" in kind or not path.endswith(
                (".delta", ".text", ".thinking", ".partial_json", ".content", ".arguments", ".reasoning_content")
            )
            texts[place + path] = text if whole_event else texts.get(place + path, "") + text
    return {place: _opened(text) for place, text in texts.items() if text}


def _opened(text: str) -> Any:
    """JSON by what it means: escapes and spaces are the writer's choice."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


async def ask_all(url: str, cases: list[Conversation]) -> list[tuple[int, bytes, str]]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=120) as client:

        async def ask(case: Conversation) -> tuple[int, bytes, str]:
            async with gate:
                response = await client.post(url + case.path, json=case.body, headers={"authorization": "Bearer k"})
                return response.status_code, response.content, response.headers["content-type"]

        return await asyncio.gather(*map(ask, cases))


def check(count: int, caplog: pytest.LogCaptureFixture, operator: str) -> None:
    caplog.set_level(logging.DEBUG)
    cases = [conversation(seed) for seed in range(count)]
    upstream, plain = Upstream(echo), Upstream(echo)
    with running(plain) as direct, running(upstream) as there:
        expected = asyncio.run(ask_all(direct, cases))
        app = create_gateway(Settings(f"{there}/v1", page_token=TOKEN, page_requests=count), Masker(operator=operator))
        with running(app) as here:
            got = asyncio.run(ask_all(here, cases))
            metrics = httpx.get(here + "/metrics").text
            page = httpx.get(here + "/api/v1/privacy", headers={"x-privacy-token": TOKEN}).text
    received = upstream.received + json.dumps([json.loads(body) for body in upstream.bodies], ensure_ascii=False)
    for case, one, other in zip(cases, expected, got, strict=True):
        assert one[0] == other[0] == 200, (case, other)
        assert read(one[1], one[2]) == read(other[1], other[2]), case
    assert upstream.received.count("⟦" if operator == "placeholder" else "example.") > 3 * count
    elsewhere = metrics + page + caplog.text
    values = {value for case in cases for value in case.values}
    left = [value for value in values if value in received or json.dumps(value)[1:-1] in received]
    assert left == []
    assert [value for value in values if value in elsewhere] == []


@pytest.mark.parametrize("operator", ["placeholder", "surrogate"])
def test_sixty_conversations_leave_masked_and_are_answered_the_same(caplog, operator) -> None:
    check(60, caplog, operator)


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["placeholder", "surrogate"])
def test_a_thousand_conversations_leave_masked_and_are_answered_the_same(caplog, operator) -> None:
    check(1000, caplog, operator)


def test_errors_quote_values_to_the_client_alone(caplog) -> None:
    cases = [conversation(seed) for seed in range(12)]

    def refuse(path: str, body: dict) -> Answer:
        return whole({"error": {"message": f"no: {json.dumps(body, ensure_ascii=False)}", "type": "t"}}, 400)

    upstream = Upstream(refuse)
    with running(upstream) as there, running(create_gateway(Settings(f"{there}/v1"), Masker())) as here:
        got = asyncio.run(ask_all(here, cases))
        metrics = httpx.get(here + "/metrics").text
    for case, (status, raw, _) in zip(cases, got, strict=True):
        assert status == 400
        assert case.values[0] in json.loads(raw)["error"]["message"]
        for value in case.values:
            assert value not in upstream.received + metrics + caplog.text
