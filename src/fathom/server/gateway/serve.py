"""The process: bind, serve, drain."""

from __future__ import annotations

from collections.abc import Callable

from ...guard import Masker
from ..process import Server, listen, run
from .app import create_gateway
from .gateway import Settings

__all__ = ["serve"]


def serve(settings: Settings, masker: Masker, *, host: str, port: int, announce: Callable[[str], None]) -> int:
    """Serve until a signal; 0 after SIGTERM, 130 after Ctrl-C. ``announce(url)`` when requests are answered."""
    app = create_gateway(settings, masker)
    listener = listen(host, port, settings.api_key)
    return run(Server(app), listener, host, announce)
