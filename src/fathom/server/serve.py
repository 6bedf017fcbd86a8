"""The process: bind, answer at once (503 while the model loads), load, serve, drain.

Without an API key only a loopback address is served. SIGTERM and Ctrl-C turn newcomers away, give the running answers
some seconds and end with 0 or 130.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from ..errors import FathomError
from ..guard.limits import DEFAULT, Limits
from .app import create_app
from .gate import is_loopback
from .service import Service

if TYPE_CHECKING:
    from ..llm import LLM

__all__ = ["read_api_key", "serve"]

SWITCH_S = 0.0005  # the engine gets its turn beside a busy event loop; Python's own 5 ms are a whole step
GRACE_S = 10.0  # for the running answers, after a signal
LOAD_GRACE_S = 1.0  # for a model that is nearly there


def read_api_key(file: str | Path | None = None) -> str | None:
    """The key in ``file``, else in FATHOM_API_KEY, else none."""
    if file is None:
        return os.environ.get("FATHOM_API_KEY") or None
    try:
        key = Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise FathomError("file_unreadable", path=str(file), problem=str(error)) from None
    if not key:
        raise FathomError("file_unreadable", path=str(file), problem="empty, expected an API key")
    return key


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
    if api_key is None and not is_loopback(host):
        raise FathomError("api_key_needed", host=host)
    listener = _listen(host, port)
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("fathom.server").setLevel(logging.INFO)
    app = create_app(
        None,
        model_name=model_name,
        max_queue=max_queue,
        api_key=api_key,
        local_only=is_loopback(host),
        limits=limits,
    )
    service: Service = app.state.service
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,  # the gate has its own line
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=int(GRACE_S) + 5,
        ),
        service,
    )
    sys.setswitchinterval(SWITCH_S)
    loader = _Loader(load, service, server)
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has drained
    try:
        loader.start()
        announce(f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
        server.run(sockets=[listener])
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        signal.signal(signal.SIGTERM, before)
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
            _exit_now(code)
        if self._failure is not None:
            raise self._failure


def _exit_now(code: int) -> NoReturn:
    with suppress(OSError, RuntimeError):  # a closed pipe; a signal that came in the midst of a flush
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise FathomError("port_taken", host=host, port=port, problem=str(error)) from None


class _Server(uvicorn.Server):
    """uvicorn, which first lets the running answers end. A second signal waits for nothing."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            _exit_now(130 if sig == signal.SIGINT else 0)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._service.loaded is not None:
            engine, error = self._service.llm.engine, FathomError("shutting_down")
            engine.drain(error)
            asyncio.get_running_loop().call_later(GRACE_S, engine.stop, error)
        await super().shutdown(sockets)
