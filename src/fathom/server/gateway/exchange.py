"""One request's way: read, masked, sent on; answered, un-masked, given back; then its vault is cleared.

Whoever leaves ends the other side's work: a client that disconnects closes the connection upstream, an upstream that
breaks off becomes an error that the client's library understands.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx
from fastapi import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ...errors import FathomError
from ...guard import Vault
from ...guard.bodies import Told, mask_body, wants_json
from ...guard.inbound import Inbound, inbound
from ...guard.vault import CLOSE, OPEN
from ..gate import NOTE
from ..wire import envelope, error_response, read_json
from .answers import Answer
from .gateway import Gateway
from .privacy import Record
from .sse import Parser, dumps
from .streams import ChoiceStream, MessageStream, ResponseStream, Stream, StreamOf, anthropic_error
from .upstream import owner_of, passed_back

__all__ = ["FORMATS", "Format", "forward", "pass_through", "stored"]

log = logging.getLogger("fathom.server")
T = TypeVar("T")
_LONG = 2**13  # bytes of a body that is masked beside the event loop, not in it
_SETTING = re.compile(r"beta=true|api-version=[\w.-]{1,32}", re.ASCII)  # what may stand in a query
_PAGE = re.compile(r"(?:limit|after|after_id|before_id)=[\w.:/-]{1,128}", re.ASCII)
LISTED = 64  # names in a header: there are fewer types, but any number of placeholders
_GONE = 499  # nobody reads it; nginx's number for a client that left


@dataclass(frozen=True, slots=True)
class Format:
    """One route: its path under ``/v1``, how its streams are read (None: its answers hold no text)."""

    path: str
    stream: StreamOf | None
    anthropic: bool = False


FORMATS = (
    Format("/chat/completions", ChoiceStream),
    Format("/completions", ChoiceStream),
    Format("/embeddings", None),
    Format("/responses", ResponseStream),
    Format("/messages", MessageStream, anthropic=True),
    Format("/messages/count_tokens", None, anthropic=True),
)


@dataclass(slots=True)
class Exchange:
    """What is known of one request on its way."""

    gateway: Gateway
    format: Format
    scope: Scope
    owner: str  # whose answer this becomes
    vault: Vault = field(default_factory=Vault)
    sent: list[Told] = field(default_factory=list)
    answer: Answer | None = None
    cleaned: Inbound = field(default_factory=Inbound)
    dropped: list[str] = field(default_factory=list)
    model: str = ""
    size: int = 0  # bytes sent
    started_s: float = field(default_factory=time.perf_counter)
    is_over: bool = False

    @property
    def masked(self) -> Counter[str]:
        return Counter(span.type for told in self.sent for span in told.spans)

    def told(self) -> dict[str, str]:
        """Headers that say what was done."""
        headers = {"x-fathom-masked": _counts(masked)} if (masked := self.masked) else {}
        if self.dropped:
            headers["x-fathom-dropped"] = ", ".join(self.dropped)
        return {**headers, **self.cleaned.headers()}

    def fault(self, error: Exception) -> Response:
        """``error`` in the shape of this format."""
        if not self.format.anthropic:
            return error_response(error)
        status, body = anthropic_error(error)
        return JSONResponse(body, status)

    def over(self, status: int) -> None:
        """Once, however it ended: told, and forgotten."""
        if self.is_over:
            return
        self.is_over = True
        answer = self.answer
        leaks = Counter[str]() if answer is None else answer.leaks.found
        unknown = Counter[str]() if answer is None else answer.unknown
        counts = {"masked": self.masked, "leaks": leaks, "unknown": unknown}
        self.scope[NOTE] = ", ".join(f"{name} {_counts(found)}" for name, found in counts.items() if found)
        took_s = time.perf_counter() - self.started_s
        self.gateway.metrics.running.dec()
        self.gateway.metrics.ended(self.format.path, status, counts["masked"], leaks, unknown.total(), took_s)
        if self.gateway.settings.page_token is not None:
            about = (self.format.path, self.model, status, self.size, took_s)
            self.gateway.records.append(Record.of(*about, sent=self.sent, leaks=leaks))
        self.vault.clear()


async def forward(request: Request, format: Format) -> Response:
    """Answers ``request`` by the upstream."""
    gateway: Gateway = request.app.state.gateway
    exchange = Exchange(gateway, format, request.scope, owner_of(request.headers))
    gateway.metrics.running.inc()
    response: Response | None = None
    try:
        body = await read_json(request)
        response = await until_gone(request.receive, _forward(exchange, body, request))
    except ClientGone:
        response = Response(status_code=_GONE)
    except TimeoutError:
        response = exchange.fault(FathomError("upstream_timeout"))
    except FathomError as error:
        response = exchange.fault(error)
    finally:
        if not isinstance(response, Relay):
            exchange.over(500 if response is None else response.status_code)
    return response


async def _forward(exchange: Exchange, body: dict[str, Any], request: Request) -> Response:
    gateway, format = exchange.gateway, exchange.format
    content = await _prepared(exchange, body)
    exchange.size = len(content)
    headers = gateway.upstream.headers(request.headers, anthropic=format.anthropic)
    path = format.path + _query(request, _SETTING)
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(gateway.upstream.timeouts.total):
            asked_s = time.perf_counter()
            answer = await stack.enter_async_context(gateway.upstream.call("POST", path, headers, content))
            gateway.metrics.first.observe(time.perf_counter() - asked_s)
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if answer.status_code == 200 and kind == "text/event-stream" and format.stream is not None:
                assert exchange.answer is not None
                return Relay(exchange, answer, format.stream(exchange.answer), stack.pop_all())
            return await _whole(exchange, answer, await gateway.upstream.read(answer))
    raise AssertionError("unreachable")


async def _prepared(exchange: Exchange, body: dict[str, Any]) -> bytes:
    """The body as it is sent on; fills in what is known of it."""
    gateway, format = exchange.gateway, exchange.format
    started_s = time.perf_counter()
    exchange.vault = gateway.vault_for(format.path, body, exchange.owner)
    exchange.dropped = [name for name in ("logprobs", "top_logprobs") if body.pop(name, None) not in (None, False)]
    asks_json = wants_json(body)

    def mask() -> bytes:
        exchange.cleaned = inbound(body, list(body), gateway.settings.limits)
        exchange.sent = mask_body(body, gateway.masker, exchange.vault, attachments=gateway.settings.attachments)
        if isinstance(body.get("model"), str):
            exchange.model = body["model"][:128]  # masked, if somebody put a name there
        return dumps(body).encode()

    content = await asyncio.to_thread(mask) if _size(body) > _LONG else mask()
    exchange.answer = Answer(
        gateway.masker,
        exchange.vault,
        [told.text for told in exchange.sent],
        leaks=gateway.settings.leaks,
        json=asks_json,
    )
    gateway.metrics.masking.observe(time.perf_counter() - started_s)
    return content


async def stored(request: Request, answer_id: str) -> Response:
    """An answer that lies at the upstream (fetched, deleted, cancelled), un-masked with the vault that was kept."""
    gateway: Gateway = request.app.state.gateway
    owner = owner_of(request.headers)
    vault = gateway.kept_vault(answer_id, owner, "response_id")
    headers = gateway.upstream.headers(request.headers, anthropic=False)
    path = quote(request.url.path.removeprefix("/v1")) + _query(request, _PAGE)

    async def ask() -> Response:
        async with gateway.upstream.call(request.method, path, headers) as answer:
            raw = await gateway.upstream.read(answer)
        if (value := parsed(raw)) is None:
            raise FathomError("upstream_broken", problem=f"no JSON, {len(raw)} bytes")
        if request.method == "DELETE" and answer.status_code < 400:
            gateway.forget(answer_id, owner)
        own = Answer(gateway.masker, vault, (), leaks="off", json=isinstance(value, dict) and wants_json(value))
        back = {**passed_back(answer.headers), "content-type": "application/json"}
        return Response(dumps(own.value(value)), answer.status_code, back)

    try:
        return await until_gone(request.receive, ask())
    except ClientGone:
        return Response(status_code=_GONE)


async def pass_through(request: Request, path: str) -> Response:
    """What holds no text of the user's: the list of models."""
    gateway: Gateway = request.app.state.gateway
    if not {".", ".."}.isdisjoint(path.split("/")):  # httpx would resolve them: any path there, with the operator's key
        raise FathomError("parameter_invalid", param="model", problem="no part of a model's name is . or ..")
    headers = gateway.upstream.headers(request.headers, anthropic="anthropic-version" in request.headers)

    async def ask() -> Response:
        async with gateway.upstream.call("GET", quote(path) + _query(request, _PAGE), headers) as answer:
            raw = await gateway.upstream.read(answer)
            kind = "application/json" if parsed(raw) is not None else "text/plain; charset=utf-8"
            return Response(raw, answer.status_code, {**passed_back(answer.headers), "content-type": kind})

    try:
        return await until_gone(request.receive, ask())
    except ClientGone:
        return Response(status_code=_GONE)


def _query(request: Request, known: re.Pattern[str]) -> str:
    """What of the client's query goes on: nothing that could be about somebody."""
    passed = {name: value for name, value in request.query_params.items() if known.fullmatch(f"{name}={value}")}
    return f"?{urlencode(passed)}" if passed else ""


def _counts(found: Mapping[str, int]) -> str:
    """``PERSON=2, PHONE=1``, of placeholders ``PERSON_9=1``; the first of many."""
    listed = [f"{name.strip(OPEN + CLOSE)}={count}" for name, count in sorted(found.items())[:LISTED]]
    return ", ".join([*listed, *["..."] * (len(found) > LISTED)])


def _size(value: Any) -> int:
    """Characters of all texts below ``value``, about; anything else counts as one."""
    if isinstance(value, str):
        return len(value)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_size, members))


async def _whole(exchange: Exchange, answer: httpx.Response, raw: bytes) -> Response:
    """An answer that is no stream, and every error of the upstream's, with its status."""
    assert exchange.answer is not None
    headers = {**passed_back(answer.headers), **exchange.told()}
    if exchange.format.stream is None and answer.status_code < 400:
        return Response(raw, answer.status_code, headers)
    value = await _beside(raw, parsed, raw)
    if value is None:
        if answer.status_code < 400:
            kind = answer.headers.get("content-type", "")[:40]
            raise FathomError("upstream_broken", problem=f"no JSON but {kind!r}, {len(raw)} bytes")
        headers["content-type"] = "text/plain; charset=utf-8"  # never a page under this server's name
        text = exchange.answer.text(raw.decode("utf-8", "replace"))
        return Response(text, answer.status_code, {**headers, "x-content-type-options": "nosniff"})
    headers["content-type"] = "application/json"
    if isinstance(value, dict) and isinstance(value.get("id"), str) and answer.status_code < 400:
        exchange.gateway.keep(exchange.format.path, value["id"], exchange.owner, exchange.vault)
    told = dumps(await _beside(raw, exchange.answer.value, value))
    if leaks := exchange.answer.leaks.found:
        headers["x-fathom-leaks"] = _counts(leaks)
    if unknown := exchange.answer.unknown:
        headers["x-fathom-unknown"] = _counts(unknown)
    return Response(told, answer.status_code, headers)


async def _beside(raw: bytes, work: Callable[..., T], *arguments: Any) -> T:
    """Work on ``raw``: at once, or beside the event loop if that is long."""
    return work(*arguments) if len(raw) < _LONG else await asyncio.to_thread(work, *arguments)


class Relay(Response):
    """A stream on its way through: whole events in, whole events out, nothing waits but what could be a token."""

    media_type = "text/event-stream"

    def __init__(self, exchange: Exchange, answer: httpx.Response, stream: Stream, stack: AsyncExitStack) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **exchange.told()})
        del self.headers["content-length"]
        back = passed_back(answer.headers)
        back.pop("content-type", None)
        self.headers.update(back)
        self._exchange, self._answer, self._stream, self._stack = exchange, answer, stream, stack

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        status = _GONE
        try:
            async with self._stack:
                await until_gone(receive, self._run(send))
            status = self.status_code
        except ClientGone:
            pass
        finally:
            self._exchange.over(status)

    async def _run(self, send: Send) -> None:
        async def write(body: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": body, "more_body": more})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async with asyncio.timeout(self._exchange.gateway.upstream.timeouts.total):
                await self._relay(write)
        except Exception as error:  # the status is out: every failure becomes an event
            shown = FathomError("upstream_timeout") if isinstance(error, TimeoutError) else error
            if not isinstance(shown, FathomError):
                log.error("%s: %s", self._exchange.format.path, type(error).__name__)
            self.status_code = envelope(shown)[0]
            await write(b"".join(event.encode() for event in self._stream.failed(shown)))
        await write(b"", more=False)

    async def _relay(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        gateway, parser, stream, kept = self._exchange.gateway, Parser(), self._stream, False
        async for piece in gateway.upstream.pieces(self._answer):
            out: list[bytes] = []
            try:
                out += (told.encode() for event in parser.feed(piece) for told in stream.take(event))
            finally:  # what came before a fault is said
                if out:
                    await write(b"".join(out))
            if not kept and stream.answer_id is not None:
                exchange = self._exchange
                gateway.keep(exchange.format.path, stream.answer_id, exchange.owner, exchange.vault)
                kept = True
        await write(b"".join(event.encode() for event in stream.end()))


class ClientGone(Exception):
    """The client disconnected; there is nobody to answer."""


async def until_gone(receive: Receive, work: Awaitable[T]) -> T:
    """What ``work`` gives, or :class:`ClientGone`, with ``work`` cancelled and ended."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task, watcher = asyncio.ensure_future(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        for each in (task, watcher):
            each.cancel()
        await asyncio.gather(task, watcher, return_exceptions=True)


def parsed(raw: bytes) -> Any:
    """JSON, or None where it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
