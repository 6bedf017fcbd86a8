"""JSON at the edge: bodies in, error envelopes out.

A body is read and parsed within limits (:mod:`fathom.guard.limits`), its texts are cleaned
(:mod:`fathom.guard.inbound`), and a pydantic model validates it; any fault is a :class:`FathomError` that names the
field as a client would write it (``messages[0].content``). Fields that no model declares are kept apart. What was
ignored or changed is told in response headers, never done in silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..errors import FathomError
from ..guard.inbound import Inbound, header_list, inbound
from ..guard.limits import DEFAULT, Limits, check_body

__all__ = ["Body", "body_of", "envelope", "error_response", "read_json", "shape_errors", "told"]

_OPENAI_CODES = {"model_not_served": "model_not_found", "api_key_invalid": "invalid_api_key"}  # where OpenAI has a name
_LONG = 2**16  # bytes that are parsed beside the event loop, not in it
_PARSERS = ThreadPoolExecutor(2, "parse")  # as many bodies as take up several times their size in memory at once
_RETRY_AFTER_S = {429: "2", 503: "2"}


class Part(BaseModel):
    """Anything that came as JSON: exact types, undeclared fields kept apart."""

    model_config = ConfigDict(strict=True, extra="allow")


class Body(Part):
    """A request body. ``unsupported`` names the fields of OpenAI's API that would change the answer and that we can't
    honour, with the values that ask for nothing and are let through; ``texts`` those a model reads."""

    unsupported: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    texts: ClassVar[tuple[str, ...]] = ()
    _inbound: Inbound = PrivateAttr(default_factory=Inbound)


T = TypeVar("T")
B = TypeVar("B", bound=Body)


def body_of(model: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A FastAPI dependency that reads the request's body as ``model``."""

    async def read(request: Request) -> B:
        return await _parsed(request, lambda body, limits: parse(model, body, limits))

    return read


async def read_json(request: Request) -> dict[str, Any]:
    """The request's body as the JSON object it is, within limits."""
    return await _parsed(request, check_body)


async def _parsed(request: Request, parse: Callable[[bytes, Limits], T]) -> T:
    limits: Limits = request.app.state.limits
    body = await _read(request, limits)
    if len(body) < _LONG:
        return parse(body, limits)
    return await asyncio.get_running_loop().run_in_executor(_PARSERS, parse, body, limits)


def parse(model: type[B], body: bytes, limits: Limits = DEFAULT) -> B:
    """``body`` as ``model``, or a FathomError."""
    raw = check_body(body, limits)
    for name, harmless in model.unsupported.items():
        if name in raw and raw[name] is not None and not any(_same(raw[name], value) for value in harmless):
            raise FathomError("parameter_unsupported", param=name)
    found = inbound(raw, model.texts, limits)
    try:
        parsed = model.model_validate(raw)
    except ValidationError as error:
        raise _fault(error, raw) from None
    parsed._inbound = found
    return parsed


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b  # JSON's false is not 0


async def _read(request: Request, limits: Limits) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":  # a web page elsewhere can send any other type without being asked
        raise FathomError("request_invalid", problem=f"content-type is {media_type!r}, expected application/json")
    limit = limits.body_bytes
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    chunks.append(chunk)
                elif size > 2 * limit:
                    break  # up to here we read on without keeping, so that the client gets to see the answer
    except TimeoutError:
        problem = f"the body has not arrived within {limits.upload_seconds} s"
        raise FathomError("request_invalid", problem=problem) from None
    except ClientDisconnect:  # nobody reads it, but the log shall not speak of a fault of ours
        raise FathomError("request_invalid", problem="the body broke off") from None
    if size > limit:
        raise FathomError("body_too_large", limit=limit)
    return b"".join(chunks)


def _fault(error: ValidationError, raw: object) -> FathomError:
    """The most telling of pydantic's errors: of a union's branches, the one that got deepest into the input."""
    faults = [
        (_path(fault["loc"], raw, fault["type"] == "missing"), fault["msg"])
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    depth = max(len(path) for path, _ in faults)
    deepest = [(path, problem) for path, problem in faults if len(path) == depth]
    path = deepest[0][0]
    problems = dict.fromkeys(problem for other, problem in deepest if other == path)
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return FathomError("parameter_invalid", param=name, problem="; or ".join(problems))


def _path(loc: Sequence[int | str], raw: object, missing: bool) -> list[int | str]:
    """pydantic's location without the names of union branches: only steps that exist in the input stay."""
    path: list[int | str] = []
    here: Any = raw
    for i, step in enumerate(loc):
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            if not (missing and i == len(loc) - 1):
                continue
        path.append(step)
    return path


def told(body: Body) -> dict[str, str]:
    """Response headers: ``x-fathom-ignored`` names the fields nothing here reads, others what was done to texts."""
    names = sorted(set(_undeclared(body)) - set(body.unsupported))
    ignored = {"x-fathom-ignored": header_list(names)} if names else {}
    return ignored | body._inbound.headers()


def _undeclared(value: object, prefix: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _undeclared(item, prefix.rstrip(".") + "[].")
    elif isinstance(value, Part):
        for name in value.model_extra or ():
            yield prefix + name
        for name in value.model_fields_set & set(type(value).model_fields):
            yield from _undeclared(getattr(value, name), f"{prefix}{name}.")


def envelope(error: Exception) -> tuple[int, dict[str, Any]]:
    """HTTP status and body for any exception; only FathomErrors tell the client more than that it went wrong."""
    if not isinstance(error, FathomError):
        error = FathomError("internal", problem="see the server's log")
    body = error.to_openai()
    body["error"]["code"] = _OPENAI_CODES.get(error.code, error.code)
    return error.status, body


def error_response(error: Exception, headers: Mapping[str, str] | None = None) -> JSONResponse:
    status, body = envelope(error)
    retry = {"retry-after": _RETRY_AFTER_S[status]} if status in _RETRY_AFTER_S else {}
    return JSONResponse(body, status, {**retry, **(headers or {})})


def shape_errors(app: FastAPI) -> None:
    """Gives all errors of ``app`` the one shape, also what the router says by itself: 404 and 405."""

    async def on_fathom_error(_: Request, error: Exception) -> JSONResponse:
        return error_response(error)

    async def on_http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = {404: "route_unknown", 405: "method_not_allowed"}.get(error.status_code, "request_invalid")
        fields = {"method": request.method, "path": request.url.path, "problem": error.detail}
        return error_response(FathomError(code, **fields), error.headers)

    app.add_exception_handler(FathomError, on_fathom_error)
    app.add_exception_handler(HTTPException, on_http_error)
