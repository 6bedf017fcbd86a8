"""Streams of every format, cut anywhere: what a client puts together is the same."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from conversations import conversation
from fathom.guard import Masker, Vault
from fathom.guard.bodies import mask_body, wants_json
from fathom.server.gateway.answers import Answer
from fathom.server.gateway.exchange import FORMATS
from fathom.server.gateway.sse import Parser
from scripted_echo import echo

STREAMS = {f"/v1{format.path}": format.stream for format in FORMATS if format.stream is not None}
MASKER = Masker()


def told(path: str, answer: Answer, chunks: list[bytes]) -> str:
    stream, parser = STREAMS[path](answer), Parser()
    events = [out for chunk in chunks for event in parser.feed(chunk) for out in stream.take(event)]
    events += stream.end()
    texts: dict[str, str] = {}
    for event in events:
        value = event.json() or {}
        place = f"{value.get('type')}{value.get('item_id')}{value.get('index')}"
        for choice in value.get("choices", [value]):
            _add(texts, f"{place}{choice.get('index')}", choice)
    return json.dumps(texts, sort_keys=True)


def _add(texts: dict[str, str], place: str, value) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            _add(texts, f"{place}.{name}", member)
    elif isinstance(value, list):
        for i, member in enumerate(value):
            index = member.get("index", i) if isinstance(member, dict) else i
            _add(texts, f"{place}[{index}]", member)
    elif isinstance(value, str):
        texts[place] = texts.get(place, "") + value


def check(seed: int, leaks: str) -> None:
    case = conversation(seed)
    body, vault = {**case.body, "stream": True}, Vault()
    sent = [each.text for each in mask_body(body, MASKER, vault)]

    def answer() -> Answer:
        return Answer(MASKER, vault, sent, leaks=leaks, json=wants_json(body))

    data = b"".join(echo(case.path, body).chunks)
    expected = told(case.path, answer(), [data])
    assert "⟦" not in expected
    for cut in map(random.Random, range(seed * 10, seed * 10 + 10)):
        places = sorted({0, len(data), *(cut.randrange(len(data)) for _ in range(cut.randint(1, 80)))})
        chunks = [data[a:b] for a, b in itertools.pairwise(places)]
        assert told(case.path, answer(), chunks) == expected


@pytest.mark.parametrize("leaks", ["warn", "mask"])
def test_ten_cuts_of_twenty_streams(leaks) -> None:
    for seed in range(20):
        check(seed, leaks)


@pytest.mark.slow
def test_ten_cuts_of_two_thousand_streams() -> None:
    for seed in range(2000):
        check(seed, "warn")


def test_a_choice_that_did_not_end_makes_the_stream_incomplete() -> None:
    chunks = [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}, {"index": 1, "delta": {"content": "b"}}]
    data = "".join(f"data: {json.dumps({'choices': [chunk]})}\n\n" for chunk in chunks).encode()
    answer = Answer(MASKER, Vault(), (), leaks="warn", json=False)
    assert "upstream_broken" in told("/v1/chat/completions", answer, [data[:200], data[200:]]).replace("\\", "")
