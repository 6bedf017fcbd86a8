"""What a recogniser reads: a text as the eye sees it, the words found in it, the stretches where numbers stand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from fathom._guard import Automaton, fold, runs

from .context import Labels
from .spans import Span

__all__ = ["Found", "Lexicon", "Page", "Shadow", "Word"]


class Found(NamedTuple):
    """A finding in coordinates of the shadow text."""

    start: int
    end: int
    type: str
    score: float


class Word(NamedTuple):
    """An occurrence of a word of the lexicon."""

    start: int
    end: int
    number: int  # of the word within its class


_END = attrgetter("end")


class Shadow:
    """``text`` is ``original`` with full-width, circled and mathematical forms made plain and invisible characters
    removed; every place in it leads back to the original."""

    def __init__(self, original: str) -> None:
        self.original = original
        self.text, self._origin = fold(original)

    def span(self, found: Found, base: int = 0) -> Span:
        """The finding in the original, which stands at ``base`` of a longer text: from its first character to its
        last, with whatever was hidden between."""
        start, end, type, score = found
        if self._origin is not None:
            start, end = int(self._origin[start]), int(self._origin[end - 1]) + 1
        return Span(base + start, base + end, type, score)


class Lexicon:
    """Classes of words, all found in one pass; ASCII letters match in either case.

    ``whole``: classes whose words do not count within longer words of ASCII letters; ``longest``: of those that end at
    one place only the longest counts.
    """

    def __init__(
        self, classes: Mapping[str, Sequence[str]], *, whole: Set[str] = frozenset(), longest: bool = False
    ) -> None:
        self._names: list[str] = []
        self._indices: list[int] = []
        words: list[str] = []
        for name, members in classes.items():
            for index, word in enumerate(members):
                words.append(word)
                self._names.append(name)
                self._indices.append(index)
        ids, flags = list(range(len(words))), [name in whole for name in self._names]
        self._automaton = Automaton(words, ids, flags, longest)

    def find(self, text: str) -> dict[str, list[Word]]:
        """Class name -> its occurrences, by end."""
        hits: dict[str, list[Word]] = {}
        for start, end, number in self._automaton.find(text).tolist():
            hits.setdefault(self._names[number], []).append(Word(start, end, self._indices[number]))
        return hits


class Page:
    """One window of a text, read once, for all recognisers. ``is_strict``: a number with its label counts though its
    check digit is wrong."""

    def __init__(self, shadow: Shadow, lexicon: Lexicon, *, is_strict: bool = False) -> None:
        self.text = shadow.text
        self.is_strict = is_strict
        self.words = lexicon.find(shadow.text)

    @cached_property
    def labels(self) -> Labels:
        """What the words around a number say it is."""
        return Labels(self.text, self.words)

    @cached_property
    def plain(self) -> str:
        """``text``, but labels that touch the number behind them (IP192.0.2.1) are blanked, so that it begins there."""
        return self.labels.blanked(self.text)

    @cached_property
    def runs(self) -> list[tuple[int, int, int]]:
        """(start, end, digits) of stretches of words with digits, joined by separators; at least 4 digits."""
        return [(start, end, digits) for start, end, digits in runs(self.plain, 4).tolist()]

    def has_number(self, start: int, end: int) -> bool:
        """Whether one of the ``runs`` lies, at least in part, between ``start`` and ``end``."""
        at = bisect_left(self._run_ends, start + 1)
        return at < len(self._run_ends) and self.runs[at][0] < end

    def number_before(self, place: int) -> tuple[int, int] | None:
        """Where the last of the ``runs`` stands that ends at ``place`` or before."""
        at = bisect_right(self._run_ends, place) - 1
        return self.runs[at][:2] if at >= 0 else None

    @cached_property
    def _run_ends(self) -> list[int]:
        return [end for _, end, _ in self.runs]

    def near(self, name: str, start: int, end: int, before: int = 24, after: int = 12) -> bool:
        """Whether a word of this class ends within ``before`` characters before, or begins within ``after`` after."""
        return any(True for _ in self.around(name, start, end, before, after))

    def around(self, name: str, start: int, end: int, before: int = 24, after: int = 12) -> Iterator[Word]:
        words = self.words.get(name)
        if words is None:
            return
        at = bisect_left(words, start - before, key=_END)
        while at < len(words) and (word := words[at]).start <= end + after:  # no slice: it would copy all the rest
            if word.end <= start or word.start >= end:
                yield word
            at += 1
