"""Where something was found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Span"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Code points ``start`` to ``end`` (excluded) of the original text hold a value of ``type``."""

    start: int
    end: int
    type: str
    score: float  # 0 to 1
