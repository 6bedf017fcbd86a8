"""What was found where, and which of two findings that overlap is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Span", "disjoint"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One entity: ``text[start:end]`` in code points of the original text, its type, and how sure we are (0 to 1)."""

    start: int
    end: int
    type: str
    score: float


def disjoint(spans: Iterable[Span]) -> list[Span]:
    """The spans that remain, sorted. Nothing that was found is uncovered: of two that overlap the stronger (then the
    longer) gives the type, and where neither holds the other, it grows over both."""
    kept: list[Span] = []
    for span in sorted(spans):
        while kept and span.start < kept[-1].end:
            last = kept.pop()
            strong = max(last, span, key=lambda s: (s.score, s.end - s.start))
            span = Span(last.start, max(last.end, span.end), strong.type, strong.score)
        kept.append(span)
    return kept
