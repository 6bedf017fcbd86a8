"""A set of strings that is searched for from left to right, the longest at each place, and may grow.

Words are kept by their first two characters and length, so that a place costs as many look-ups as there are lengths
that begin like it, however many words there are.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

__all__ = ["Literals"]


class Literals:
    """Not thread-safe; whoever shares one holds a lock."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words: set[str] = set()
        self._lengths: dict[str, list[int]] = {}  # first two characters -> lengths, shortest first
        self._firsts: set[str] = set()  # first characters
        self._sorted: list[str] | None = None  # for prefixes; made when asked for
        self._first: re.Pattern[str] | None = None
        self.longest = 0  # code points
        for word in words:
            self.add(word)

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: str) -> None:
        if not word or word in self._words:
            return
        self._words.add(word)
        self._sorted = None
        self.longest = max(self.longest, len(word))
        if word[0] not in self._firsts:
            self._firsts.add(word[0])
            self._first = None
        lengths = self._lengths.setdefault(word[:2], [])
        if len(word) not in lengths:
            insort(lengths, len(word))

    def starts(self, text: str, start: int = 0) -> Iterator[int]:
        """Every place at or after ``start`` where a word could begin, by its first character."""
        if not self._words:
            return
        if self._first is None:
            self._first = re.compile(f"[{''.join(map(re.escape, self._firsts))}]")
        for hit in self._first.finditer(text, start):
            yield hit.start()

    def at(self, text: str, place: int) -> str | None:
        """The longest word that stands at ``place``, where one of them could begin."""
        for length in reversed(self._lengths.get(text[place : place + 2], ())):
            if (word := text[place : place + length]) in self._words:
                return word
        return text[place] if text[place] in self._words else None

    def begins(self, piece: str) -> bool:
        """Some word begins with ``piece`` and is longer."""
        if self._sorted is None:
            self._sorted = sorted(self._words)
        place = bisect_left(self._sorted, piece)
        if place < len(self._sorted) and self._sorted[place] == piece:
            place += 1
        return place < len(self._sorted) and self._sorted[place].startswith(piece)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Disjoint (start, end) of words in ``text``, leftmost and longest first."""
        done = 0
        for place in self.starts(text):
            if place >= done and (word := self.at(text, place)) is not None:
                done = place + len(word)
                yield place, done

    def occurring(self, text: str) -> set[str]:
        """The words that stand anywhere in ``text``, also inside one another."""
        return {
            word
            for place in self.starts(text)
            for length in (1, *self._lengths.get(text[place : place + 2], ()))
            if (word := text[place : place + length]) in self._words
        }
