"""Privacy: what is personal in a text, masking that can be undone, and limits on what comes in.

Names are imported when they are first asked for: limits alone need no recogniser.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .masker import Masked, Masker
    from .scan import Scanner
    from .spans import Span
    from .stream import Unmasker
    from .vault import Vault

__all__ = ["Masked", "Masker", "Scanner", "Span", "Unmasker", "Vault"]

_ROOMS = {
    "Masked": "masker",
    "Masker": "masker",
    "Scanner": "scan",
    "Span": "spans",
    "Unmasker": "stream",
    "Vault": "vault",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
