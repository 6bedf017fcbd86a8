"""The gate in front of every route: request id, Host header, API key, one log line, no leaks.

Plain ASGI, outermost, so that it sees what the framework answers by itself too. On a loopback address only local names
are accepted as Host: a web page whose name was re-bound to 127.0.0.1 sends its own name and is turned away. The log
holds method, route, status and time; never a body, never a query.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
import secrets
import time
import traceback
from collections.abc import Collection
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import FathomError
from .wire import error_response

__all__ = ["NOTE", "OPEN_PATHS", "Gate", "is_loopback"]

log = logging.getLogger("fathom.server")
NOTE = "fathom.note"  # in the scope: what else the log line says, counts and names of types only
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+))(?::\d{1,5})?")  # [v6] or name, port
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
OPEN_PATHS = frozenset({"/health"})  # what a supervisor asks without a key


def is_loopback(host: str) -> bool:
    """A name or address that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _names_this_machine(header: str) -> bool:
    parts = _HOST.fullmatch(header)
    return parts is not None and is_loopback(parts[1] or parts[2])


class Gate:
    def __init__(
        self, app: ASGIApp, *, api_key: str | None, local_only: bool, open_paths: Collection[str] = OPEN_PATHS
    ) -> None:
        self.app = app
        self.api_key = api_key
        self.local_only = local_only
        self.open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else f"req_{secrets.token_hex(12)}"
        status = 0
        start_s = time.perf_counter()

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            self._check(scope["path"], headers)
            await self.app(scope, receive, tagged)
        except Exception as error:  # the last line of defence: the client gets the shape, the log the place
            if not isinstance(error, FathomError):
                log.error("%s: %s at\n%s", request_id, type(error).__name__, place(error))
            if status == 0:
                await error_response(error)(scope, receive, tagged)
        finally:
            took_s = time.perf_counter() - start_s
            path = getattr(scope.get("route"), "path", "no route")  # as declared: a path may hold anything
            note = scope.get(NOTE, "")
            log.info("%s %s %r %d %.3f s%s", request_id, scope["method"], path, status, took_s, note and f", {note}")

    def _check(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if self.local_only and not _names_this_machine(host):
            raise FathomError("host_refused", found=host)
        if self.api_key is not None and path not in self.open_paths:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                key = headers.get("x-api-key", "")  # as Anthropic's clients send it
            if not hmac.compare_digest(key.strip(" ").encode("latin-1"), self.api_key.encode()):
                raise FathomError("api_key_invalid")


def place(error: BaseException) -> str:
    """Where it happened, without the exception's text: that may quote a prompt."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return "\n".join(f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
