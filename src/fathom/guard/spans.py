"""What was found where, and which of two findings that overlap is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Span", "disjoint"]

_NAMES = frozenset({"PERSON", "ORGANISATION"})
_SURER = 0.2


class Span(NamedTuple):
    """One entity: ``text[start:end]`` in code points of the original text, its type, and how sure we are (0 to 1)."""

    start: int
    end: int
    type: str
    score: float


def disjoint(spans: Iterable[Span]) -> list[Span]:
    """The spans that remain, sorted. Nothing that was found is uncovered: of two that overlap the stronger (then the
    longer) gives the type, and where neither holds the other, it grows over both; but a number that is much surer than
    a name which reaches into it stays as it is."""
    kept: list[Span] = []
    for span in sorted(spans):
        while kept and span.start < kept[-1].end:
            last = kept.pop()
            strong, weak = (last, span) if (last.score, _length(last)) > (span.score, _length(span)) else (span, last)
            if weak.type in _NAMES and strong.type not in _NAMES and strong.score - weak.score > _SURER:
                span = strong
            else:
                span = Span(last.start, max(last.end, span.end), strong.type, strong.score)
        kept.append(span)
    return kept


def _length(span: Span) -> int:
    return span.end - span.start
