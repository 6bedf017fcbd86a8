"""Privacy: what is personal in a text, masking that can be undone, and limits on what comes in."""

from __future__ import annotations

from .masker import Masked, Masker
from .scan import Scanner
from .spans import Span
from .stream import Unmasker
from .vault import Vault

__all__ = ["Masked", "Masker", "Scanner", "Span", "Unmasker", "Vault"]
