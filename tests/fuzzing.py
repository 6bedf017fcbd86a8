"""Requests made wrong on purpose, for any of our ASGI apps: good ones mutated, and what OpenAPI documents allow."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

JSON = {"content-type": "application/json"}
SHAPE = {"message", "type", "param", "code"}
ODD_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "\u202e",
        "\ufeff",
        "\u200d" * 9,
        "e" + "\u0301" * 99,
        "😀\u200d😀",
        "\U000e0041",
        "\ue000",
        "\ud800",
    ),
    *(
        "<｜User｜>",
        "<｜end▁of▁sentence｜>",
        "⟦PERSON_1⟧",
        "\\u",
        "{",
        '"',
        "\r\n\r\n",
        "data: [DONE]",
        "(a+)+$",
        "true",
    ),
    *("a" * 5000, "中" * 3000, "\n" * 3000, "../../etc/passwd", "{{ 7*7 }}", "{% for i in range(10**9) %}"),
    *("0", "user", "text", "function", "auto"),
]
ODD_VALUES = [
    *(None, True, False, 0, -1, 1, 2, 129, 2**31, 2**63, 2**64, -(2**63), 10**30),
    *(0.5, -0.0, 1e308, 1e-320, 1.5, float("nan"), float("inf")),
    *([], {}, [[]], [{}], [None], [0], [""], {"": ""}, {"a": {}}, {"type": "text"}, {"role": "user"}, {"$ref": "#"}),
    *([[[[[[[[[[]]]]]]]]]], list(range(300)), ["a"] * 300, {str(i): i for i in range(300)}),
]
ODD_BYTES = [
    *(b"\0", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\", b'"'),
    *(b"{", b"}", b"[", b"]", b",", b":", b"1e999", b"NaN"),
]
ODD_HEADERS = [
    *({"content-type": "text/plain"}, {"content-type": "application/json; charset=utf-16"}, {"content-type": ""}),
    *({"content-encoding": "gzip"}, {"accept": "text/event-stream"}, {"expect": "100-continue"}),
    *({"authorization": "Bearer é"}, {"x-request-id": "a" * 5000}, {"content-length": "3"}),
]


@dataclass(frozen=True)
class Sent:
    path: str
    body: bytes
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.path} {dict(self.headers)} {self.body[:2000]!r}"


def mutations(bodies: Sequence[tuple[str, Any]], seed: int, count: int) -> Iterator[Sent]:
    """``count`` requests, each a good one of ``bodies`` (path, JSON value) that some changes went over."""
    chance = random.Random(seed)
    for _ in range(count):
        path, body = chance.choice(bodies)
        value = copy.deepcopy(body)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5))):
            value = _changed(value, chance)
        raw = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        if chance.random() < 0.3:
            raw = _spoiled(raw, chance)
        headers = dict(JSON)
        if chance.random() < 0.05:
            headers |= chance.choice(ODD_HEADERS)
        if chance.random() < 0.05:
            path = chance.choice(bodies)[0]
        yield Sent(path, raw, headers)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield from _places(member, (*path, step))


def _changed(value: Any, chance: random.Random) -> Any:
    *way, last = ("body", *chance.choice(list(_places(value))))
    holder: Any = {"body": value}
    root = holder
    for step in way:
        holder = holder[step]
    old = holder[last]
    match chance.randrange(9):
        case 0:
            holder[last] = copy.deepcopy(chance.choice(ODD_VALUES))
        case 1:
            holder[last] = chance.choice(ODD_TEXTS)
        case 2 if holder is not root:
            del holder[last]
        case 3 if isinstance(old, str):
            at = chance.randrange(len(old) + 1)
            holder[last] = old[:at] + chance.choice(ODD_TEXTS) + old[at:]
        case 4 if isinstance(old, list) and old:
            holder[last] = (old * chance.choice((2, 3, 40)))[:3000]
        case 5 if isinstance(old, dict):
            old[chance.choice(ODD_TEXTS)] = copy.deepcopy(chance.choice(ODD_VALUES))
        case 6:
            for _ in range(chance.choice((1, 2, 9, 70))):
                old = [old] if chance.random() < 0.5 else {chance.choice(("a", "text", "items", "content")): old}
            holder[last] = old
        case 7 if isinstance(old, int | float) and not isinstance(old, bool):
            holder[last] = chance.choice((-old, old + 1, old * 1000, str(old), old / 3, old - 1))
        case 8:
            other = root["body"]
            for step in chance.choice(list(_places(other))):
                other = other[step]
            holder[last] = copy.deepcopy(other)
    return root["body"]


def _spoiled(raw: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(spoiled) + 1)
        match chance.randrange(5):
            case 0:
                spoiled[at:at] = chance.choice(ODD_BYTES) * chance.choice((1, 1, 2, 500))
            case 1:
                del spoiled[at : at + chance.choice((1, 2, 9, 10**6))]
            case 2 if at < len(spoiled):
                spoiled[at] = chance.randrange(256)
            case 3:
                spoiled[at:at] = spoiled[at : at + chance.choice((1, 5, 50))] * chance.choice((1, 2, 100))
            case 4:
                spoiled[at:at] = chance.randbytes(chance.choice((1, 4, 30)))
    return bytes(spoiled)


def check_requests(
    app: Any, requests: Iterator[Sent], *, shape: Callable[[Any], bool] | None = None, at_once: int = 8
) -> dict[int, int]:
    """Sends all of them, some at a time; each answer is whole and no 5xx. Returns how often each status came.

    ``shape`` says whether an error's JSON is as the route's API has it; OpenAI's by default.
    """
    return asyncio.run(_check_requests(app, requests, shape or is_openai_error, at_once))


async def _check_requests(
    app: Any, requests: Iterator[Sent], shape: Callable[[Any], bool], at_once: int
) -> dict[int, int]:
    statuses: dict[int, int] = {}

    async def work(http: httpx.AsyncClient) -> None:
        for sent in requests:
            reply = await http.post(
                sent.path, content=sent.body, headers={k: v.encode() for k, v in sent.headers.items()}
            )
            statuses[reply.status_code] = statuses.get(reply.status_code, 0) + 1
            check_reply(reply, sent, shape)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=60) as http:
        await asyncio.gather(*(work(http) for _ in range(at_once)))
    return statuses


def check_document(app: Any, examples: int, *, shape: Callable[[Any], bool] | None = None) -> dict[str, int]:
    """Calls each route of the app's OpenAPI document ``examples`` times as it allows and as often as it forbids.

    The app must take any Host (``local_only=False``). Returns the number of calls of each route.
    """
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    calls: dict[str, int] = {}
    once = settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    for found in schemathesis.openapi.from_asgi("/openapi.json", _undying(app)).get_all_operations():
        operation = found.ok()
        allowed = [schemathesis.GenerationMode.POSITIVE]
        forbidden = [schemathesis.GenerationMode.NEGATIVE] if len(operation.body) else []
        for mode in allowed + forbidden:

            @once
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: Any) -> None:
                reply = case.call()
                calls[case.operation.label] = calls.get(case.operation.label, 0) + 1
                check_reply(reply, case, shape or is_openai_error)

            call()
    return calls


def _undying(app: Any) -> Any:
    """``app`` for a client that starts and ends it at each call."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
        else:
            await app(scope, receive, send)

    return call


def check_reply(reply: Any, sent: object, shape: Callable[[Any], bool]) -> None:
    assert reply.status_code < 500, f"{reply.status_code} {reply.text} for {sent}"
    assert '"internal"' not in reply.text, f"{reply.text} for {sent}"
    assert reply.status_code < 400 or shape(reply.json()), f"{reply.text} for {sent}"


def is_openai_error(answer: Any) -> bool:
    return set(answer) == {"error"} and set(answer["error"]) == SHAPE and "\n" not in answer["error"]["message"]
