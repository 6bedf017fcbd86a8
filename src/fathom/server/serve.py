"""The process: bind, answer at once (503 while the model loads), load, serve, drain.

Without an API key only a loopback address is served. SIGTERM and Ctrl-C turn newcomers away, give the running request
some seconds and end with 0 or 130.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from ..errors import FathomError
from .app import create_app
from .gate import is_loopback
from .service import Service

if TYPE_CHECKING:
    from ..llm import LLM

__all__ = ["read_api_key", "serve"]

GRACE_S = 10.0


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
    app = create_app(None, model_name=model_name, max_queue=max_queue, api_key=api_key, local_only=is_loopback(host))
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
    failures: list[BaseException] = []

    def bring_up() -> None:
        try:
            service.loaded = load()
        except BaseException as error:  # raised again below, in the thread that called us
            failures.append(error)
            server.should_exit = True

    threading.Thread(target=bring_up, name="load", daemon=True).start()
    announce(f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has drained
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    if failures:
        raise failures[0]
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise FathomError("port_taken", host=host, port=port, problem=str(error)) from None


class _Server(uvicorn.Server):
    """uvicorn, which first lets the line of jobs run dry."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.line.drain(GRACE_S)
        await super().shutdown(sockets)
