"""The OpenAI-compatible HTTP server. JSON, pydantic and FastAPI live here and nowhere below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    """The local server, only when it is asked for: the gateway needs neither the engine nor a model."""
    if name == "create_app":
        from .app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
