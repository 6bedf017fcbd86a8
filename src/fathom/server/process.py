"""What every serving process needs: its key, its socket, its signals. SIGTERM ends with 0, Ctrl-C with 130."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from ..errors import Both, FathomError
from ..files import reason
from .gate import is_loopback

__all__ = ["GRACE_S", "Server", "exit_now", "listen", "read_api_key", "run"]

GRACE_S = 10.0  # for the running answers, after a signal


def read_api_key(file: str | Path | None = None, variable: str = "FATHOM_API_KEY") -> str | None:
    """The key in ``file``, else in the environment, else none."""
    if file is None:
        return os.environ.get(variable) or None
    try:
        key = Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise FathomError("file_unreadable", path=str(file), problem=reason(error)) from None
    except ValueError:
        raise FathomError(
            "file_unreadable", path=str(file), problem=Both("no text in UTF-8", "不是 UTF-8 文本")
        ) from None
    if not key:
        problem = Both("empty, expected an API key", "是空的，应有一个 API 密钥")
        raise FathomError("file_unreadable", path=str(file), problem=problem)
    return key


def listen(host: str, port: int, api_key: str | None) -> socket.socket:
    """Without an API key only a loopback address is served."""
    if api_key is None and not is_loopback(host):
        raise FathomError("api_key_needed", host=host)
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Connections inherit it; asyncio sets it only where the protocol is named, so events waited 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        problem = reason(error) if isinstance(error, OSError) else str(error)
        raise FathomError("port_taken", host=host, port=port, problem=problem) from None


class Server(uvicorn.Server):
    """uvicorn, which first lets the running answers end. A second signal waits for nothing."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,  # the gate has its own line
                server_header=False,
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=int(GRACE_S) + 5,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            exit_now(130 if sig == signal.SIGINT else 0)
        super().handle_exit(sig, frame)


def run(server: Server, listener: socket.socket, host: str, announce: Callable[[str], None]) -> int:
    """Serve until a signal; ``announce(url)`` is called when requests are answered."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("fathom.server").setLevel(logging.INFO)
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has drained
    try:
        announce(f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
        server.run(sockets=[listener])
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_now(code: int) -> NoReturn:
    """Without waiting for threads."""
    with suppress(OSError, RuntimeError):  # a closed pipe; a signal that came in the midst of a flush
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
