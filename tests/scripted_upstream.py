"""A scripted upstream: keeps every byte it receives, and answers as it is told, at any cuts."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fathom.guard import Masker
from fathom.server.gateway import Settings, create_gateway
from serving import running

Reply = Callable[[str, dict[str, Any]], "Answer"]


@dataclass
class Answer:
    """``chunks`` are sent one by one, with ``pause_s`` between; ``breaks`` closes the connection after them."""

    chunks: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    pause_s: float = 0.0
    breaks: bool = False
    first_s: float = 0.0


class Upstream:
    """An ASGI application. ``reply`` makes the answer of a path and a body."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.gone = 0  # clients that left before the end
        self.running = 0

    @property
    def received(self) -> str:
        return b"\n".join([*self.heads, *self.bodies]).decode("utf-8", "replace")

    def holds_none_of(self, values: Sequence[str]) -> None:
        """Masked names came, but none of ``values``, plain or as JSON escapes it."""
        for value in values:
            assert value not in self.received
            assert json.dumps(value)[1:-1] not in self.received
        assert "⟦PERSON_1⟧" in self.received

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"]:
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.heads.append(
            b"\n".join([scope["path"].encode(), scope["query_string"], *map(b": ".join, scope["headers"])])
        )
        answer = self.reply(scope["path"], json.loads(body) if body else {})
        self.running += 1
        try:
            await asyncio.wait_for(self._left(receive, self._answer(answer, send)), 60)
        finally:
            self.running -= 1

    async def _left(self, receive, work) -> None:
        task = asyncio.ensure_future(work)
        left = asyncio.ensure_future(receive())
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            self.gone += 1
        left.cancel()
        task.cancel()
        await asyncio.gather(task, left, return_exceptions=True)
        if task.done() and not task.cancelled() and isinstance(task.exception(), Broken):
            raise task.exception()

    async def _answer(self, answer: Answer, send) -> None:
        await asyncio.sleep(answer.first_s)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        for chunk in answer.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(answer.pause_s)
        if answer.breaks:
            raise Broken
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Broken(Exception):
    """Ends the connection in the midst of an answer."""


def whole(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer([json.dumps(value).encode()], status, {"content-type": "application/json", **headers})


def stream(events: Sequence[str | bytes], cut: random.Random | None = None, **options: Any) -> Answer:
    """Events in full, in pieces cut anywhere where ``cut`` is given."""
    data = b"".join(event if isinstance(event, bytes) else event.encode() for event in events)
    chunks = [data]
    if cut is not None:
        places = sorted(cut.choices(range(len(data) + 1), k=min(60, len(data))))
        chunks = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]
    return Answer(chunks, headers={"content-type": "text/event-stream; charset=utf-8"}, **options)


def event(data: Any, name: str = "", *, ascii: bool = False) -> str:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=ascii)}\n\n"


def pieces(text: str, random: random.Random) -> list[str]:
    out, done = [], 0
    while done < len(text):
        size = random.randint(1, 7)
        out.append(text[done : done + size])
        done += size
    return out


@contextmanager
def gateway(reply: Reply, masker: Masker | None = None, **settings: Any) -> Iterator[tuple[str, Upstream]]:
    """A gateway's base URL and the upstream behind it."""
    upstream = Upstream(reply)
    with running(upstream) as there:
        app = create_gateway(Settings(f"{there}/v1", **settings), masker or Masker())
        with running(app) as here:
            yield here, upstream
