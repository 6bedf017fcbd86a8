"""The process that serves a model: bind, answer at once (503 while the model loads), load, serve, drain.

Without an API key only a loopback address is served. SIGTERM and Ctrl-C turn newcomers away, give the running answers
some seconds and end with 0 or 130.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from ..errors import FathomError
from ..guard.limits import DEFAULT, Limits
from .app import create_app
from .gate import is_loopback
from .process import GRACE_S, Server, exit_now, listen, run
from .service import Service

if TYPE_CHECKING:
    from ..llm import LLM

__all__ = ["serve"]

SWITCH_S = 0.0005  # the engine gets its turn beside a busy event loop; Python's own 5 ms are a whole step
LOAD_GRACE_S = 1.0  # for a model that is nearly there


def serve(
    load: Callable[[], LLM],
    *,
    model_name: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    max_queue: int = 32,
    api_key: str | None = None,
    limits: Limits = DEFAULT,
    announce: Callable[[str], None] = lambda _: None,
) -> int:
    """Serve what ``load`` returns until a signal; 0 after SIGTERM, 130 after Ctrl-C.

    ``announce(url)`` is called when requests are answered; ``port=0`` takes a free one.
    """
    listener = listen(host, port, api_key)
    app = create_app(
        None,
        model_name=model_name,
        max_queue=max_queue,
        api_key=api_key,
        local_only=is_loopback(host),
        limits=limits,
    )
    service: Service = app.state.service
    server = _Server(app, service)
    sys.setswitchinterval(SWITCH_S)
    loader = _Loader(load, service, server)
    loader.start()
    code = run(server, listener, host, announce)
    loader.leave(code)
    return code


class _Loader(threading.Thread):
    """Loads the model beside the server that answers 503 meanwhile."""

    def __init__(self, load: Callable[[], LLM], service: Service, server: uvicorn.Server) -> None:
        super().__init__(name="load", daemon=True)
        self._load, self._service, self._server = load, service, server
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._service.loaded = self._load()
        except BaseException as error:  # raised again in the thread that serves
            self._failure = error
            self._server.should_exit = True

    def leave(self, code: int) -> None:
        """Raise what went wrong. A load that still runs can't be interrupted, and a thread in native code that
        outlives the interpreter aborts the process: then it ends here, with ``code``."""
        self.join(LOAD_GRACE_S)
        if self.is_alive():
            exit_now(code)
        if self._failure is not None:
            raise self._failure


class _Server(Server):
    """Lets the engine end its answers."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        super().__init__(app)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._service.loaded is not None:
            engine, error = self._service.llm.engine, FathomError("shutting_down")
            engine.drain(error)
            asyncio.get_running_loop().call_later(GRACE_S, engine.stop, error)
        await super().shutdown(sockets)
