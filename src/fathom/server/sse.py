"""Server-sent events as OpenAI sends them: ``data: JSON`` lines, a ping while nothing comes, ``data: [DONE]``.

The status line goes out before the first event, so a failure after that travels as an event: ``data: {"error": ...}``,
then ``[DONE]``. A reader that goes away cancels the job.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .wire import envelope

__all__ = ["EventStream", "cancel_with"]

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)
_DONE = b"data: [DONE]\n\n"
_PING = b": ping\n\n"  # a comment: clients skip it, proxies see life


class Items(Protocol[Item]):
    """What comes while a job runs (:class:`fathom.server.jobs.Job`)."""

    async def __anext__(self) -> Item: ...
    def cancel(self) -> None: ...


def event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


@asynccontextmanager
async def cancel_with(receive: Receive, job: Items[Any]) -> AsyncIterator[None]:
    """While the block runs, a client that disconnects cancels ``job``."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        job.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        job.cancel()


class EventStream(Response, Generic[T]):
    """Streams ``encode(item)`` for each item of a job, submitted by the caller so that a full queue is still a 429."""

    media_type = "text/event-stream"

    def __init__(
        self,
        job: Items[T],
        encode: Callable[[T], Iterable[Mapping[str, Any]]],
        headers: Mapping[str, str],
        ping_s: float = 15.0,
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        del self.headers["content-length"]
        self._job, self._encode, self._ping_s = job, encode, ping_s

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async def write(body: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": body, "more_body": more})

        async with cancel_with(receive, self._job):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                async for body in self._bodies():
                    await write(body)
            except Exception as error:  # every failure becomes an event; the gate can't answer any more
                await write(event(envelope(error)[1]))
            await write(_DONE, more=False)

    async def _bodies(self) -> AsyncIterator[bytes]:
        quiet_since_s = time.monotonic()
        while True:
            body = b""
            try:
                item = await asyncio.wait_for(self._job.__anext__(), self._ping_s)
                body = b"".join(event(data) for data in self._encode(item))
            except TimeoutError:
                pass
            except StopAsyncIteration:
                return
            if not body and time.monotonic() - quiet_since_s >= self._ping_s:
                body = _PING
            if body:  # an item may have nothing to show: half a character, a part of a call
                yield body
                quiet_since_s = time.monotonic()
