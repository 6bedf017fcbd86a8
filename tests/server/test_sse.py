"""The event stream byte for byte, over a raw socket."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from fathom.errors import FathomError
from fathom.server.jobs import Line
from fathom.server.sse import EventStream
from serving import running, wait_for


def app_of(work, ping_s=15.0) -> FastAPI:
    app, line = FastAPI(), Line(4)
    app.state.line = line

    @app.get("/stream")
    async def stream():
        return EventStream(line.submit(work), lambda item: [] if item == 0 else [{"n": item}], {"x-extra": "1"}, ping_s)

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

    app = app_of(work)
    with running(app) as url:
        link = connect(url)
        link.recv(64)
        link.close()
        assert closed.wait(5)
        wait_for(lambda: len(app.state.line) == 0)


def test_draining_ends_a_stream_with_an_error_and_done() -> None:
    def work():
        while True:
            time.sleep(0.01)
            yield 1

    app = app_of(work)

    @app.get("/drain")
    async def drain() -> None:
        app.state.line.drain(grace_s=0.1)

    with running(app) as url:
        link = connect(url)
        link.recv(64)
        httpx.get(url + "/drain")
        raw = b""
        while piece := link.recv(65536):
            raw += piece
    assert b'"code":"shutting_down"' in raw
    assert raw.rstrip().endswith(b"data: [DONE]\n\n\r\n0")


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
