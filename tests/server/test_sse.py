"""The event stream byte for byte, over a raw socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from fathom.errors import FathomError
from fathom.server.sse import EventStream
from serving import running


class Items:
    """What a function yields in a thread of its own, as a job's items."""

    def __init__(self, work) -> None:
        self._items, self._loop, self._left = asyncio.Queue(), asyncio.get_running_loop(), threading.Event()
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work) -> None:
        def put(item) -> None:
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._items.put_nowait, item)

        try:
            with closing(work()) as items:
                for item in items:
                    if self._left.is_set():
                        return
                    put(item)
            put(StopAsyncIteration())
        except Exception as error:
            put(error)

    async def __anext__(self):
        if isinstance(item := await self._items.get(), Exception):
            raise item
        return item

    def cancel(self) -> None:
        self._left.set()


def app_of(work, ping_s=15.0) -> FastAPI:
    app = FastAPI()

    @app.get("/stream")
    async def stream():
        return EventStream(Items(work), lambda item: [] if item == 0 else [{"n": item}], {"x-extra": "1"}, ping_s)

    return app


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    link = socket.create_connection((parts.hostname, parts.port), timeout=10)
    link.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return link


def dechunked(raw: bytes) -> tuple[bytes, bytes]:
    """Header and body of a chunked response."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return head, body


def fetch(url: str) -> tuple[bytes, bytes]:
    with connect(url) as link:
        raw = b""
        while piece := link.recv(65536):
            raw += piece
    return dechunked(raw)


def test_events_are_data_lines_of_json_that_end_with_done() -> None:
    def work():
        yield "a"
        yield "中\n"

    with running(app_of(work)) as url:
        head, body = fetch(url)
    assert body.decode() == 'data: {"n":"a"}\n\ndata: {"n":"中\\n"}\n\ndata: [DONE]\n\n'
    head = head.lower()
    assert head.startswith(b"http/1.1 200")
    for line in (b"content-type: text/event-stream; charset=utf-8", b"cache-control: no-cache", b"x-extra: 1"):
        assert line in head.split(b"\r\n")
    assert b"content-length" not in head


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [(FathomError("not_finite"), "not_finite", "NaN"), (ValueError("secret"), "internal", "log")],
)
def test_a_failure_in_mid_stream_is_an_error_event_then_done(error, code, told) -> None:
    def work():
        yield 1
        raise error

    with running(app_of(work)) as url:
        _, body = fetch(url)
    first, second, done, end = body.decode().split("\n\n")
    assert (first, done, end) == ('data: {"n":1}', "data: [DONE]", "")
    assert second.startswith('data: {"error":{"message":')
    assert f'"code":"{code}"' in second
    assert told in second
    assert "secret" not in second


@pytest.mark.parametrize("items", [0, 60])
def test_silence_is_filled_with_pings(items) -> None:
    def work():
        for _ in range(items):  # work that has nothing to show
            time.sleep(0.005)
            yield 0
        time.sleep(0 if items else 0.3)
        yield 1

    with running(app_of(work, ping_s=0.05)) as url:
        _, body = fetch(url)
    assert body.startswith(b": ping\n\n: ping\n\n")
    assert body.endswith(b'data: {"n":1}\n\ndata: [DONE]\n\n')


def test_a_client_that_leaves_stops_the_work() -> None:
    closed = threading.Event()

    def work():
        try:
            while True:
                time.sleep(0.01)
                yield 0
        finally:
            closed.set()

    with running(app_of(work)) as url:
        link = connect(url)
        link.recv(64)
        link.close()
        assert closed.wait(5)


def test_a_stalled_reader_does_not_hold_up_the_shutdown() -> None:
    def work():
        for _ in range(1000):
            yield "x" * 100_000

    with running(app_of(work)) as url:
        link = connect(url)
        link.recv(64)
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 8  # the server's own grace is 2 s
    link.close()
