"""What every serving process shares."""

from __future__ import annotations

import socket

from fathom.server.process import listen


def test_connections_send_small_events_at_once() -> None:
    with listen("127.0.0.1", 0, None) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
