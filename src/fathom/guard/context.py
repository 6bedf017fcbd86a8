"""What the words around a number say it is: labels (身份证号, card number), and labels of other things (订单号).

A label counts within its clause and up to the next number: of ``手机13800138000，订单号14155550123`` each has its own.
A label within a longer one is none (卡号 in 社保卡号). The words stand in ``assets/guard/labels.txt``.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fathom.assets import ASSETS

if TYPE_CHECKING:
    from .page import Word

__all__ = ["AGAINST", "WORDS", "Labels"]

AGAINST = "against"  # the class of labels of numbers that are nobody's
BEFORE, AFTER = 40, 16  # characters between label and number, at most


def _read() -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for line in (ASSETS / "guard" / "labels.txt").read_text(encoding="utf-8").splitlines():
        name, colon, listed = line.partition(": ")
        if colon and not line.startswith("#"):
            words.setdefault(f"label.{name}", []).extend(listed.split(", "))
    return words


WORDS = _read()
_COMMA = re.compile("[,，、]")
_ABBREVIATED = (r"\bno", r"\bnr", r"\bph", "num", "tel", "lic", "reg", "mob", "cct")  # their dot ends no sentence
_SENTENCE = r"\. " + "".join(rf"(?<!{word}\. )" for word in _ABBREVIATED)
_BREAK = re.compile(rf"[。；！？!?\n]|; |{_SENTENCE}|[0-9]{{4}}", re.IGNORECASE)


class Labels:
    """The labels of a page."""

    def __init__(self, text: str, words: Mapping[str, list[Word]]) -> None:
        self._text = text
        found: list[tuple[int, int, str]] = []
        for name, hits in words.items():
            if name.startswith("label."):
                found += [(end, start, name[6:]) for start, end, _ in hits]
        found.sort()
        self._before: list[tuple[int, int, str]] = []  # by end, without those that lie within a longer one
        for end, start, name in found:
            while self._before and self._before[-1][1] >= start and self._before[-1][:2] != (end, start):
                self._before.pop()
            if not (self._before and self._before[-1][0] == end and self._before[-1][1] < start):
                self._before.append((end, start, name))
        self._ends = [end for end, _, _ in self._before]
        self._named: dict[str, list[tuple[int, int]]] = {}
        for end, start, name in self._before:
            self._named.setdefault(name, []).append((start, end))

    def of(self, start: int, end: int, *, near: bool = False) -> list[str]:
        """The labels of the number from ``start`` to ``end``, the nearest first. ``near``: those of other things do not
        reach over a comma (订单没到，请打13800138000)."""
        names = []
        i = bisect_right(self._ends, start) - 1
        limit, clear = start - BEFORE, start  # no break begins from ``clear`` on
        while i >= 0 and self._ends[i] >= limit:
            label_end, _, name = self._before[i]
            if _BREAK.search(self._text, label_end, min(start, clear + 3)):
                break
            clear = label_end
            if not near or name != AGAINST or not _COMMA.search(self._text, label_end, start):
                names.append(name)
            i -= 1
        i = len(self._ends) if names else bisect_left(self._ends, end + 1)
        while i < len(self._ends) and self._before[i][1] <= end + AFTER:
            _, label_start, name = self._before[i]
            if label_start < end or _BREAK.search(self._text, end, label_start):
                break
            if name != AGAINST and not _COMMA.search(self._text, end, label_start):
                names.append(name)
            i += 1
        return names

    def blanked(self, text: str) -> str:
        """``text`` with a character that is neither letter nor digit for each of a label that touches what follows."""
        pieces, done = [], 0
        for end, start, _ in self._before:
            touches = text[end - 1 : end + 1].isascii() and text[end - 1 : end + 1].isalnum() and end < len(text)
            if touches and done <= start and not (start and text[start - 1].isascii() and text[start - 1].isalnum()):
                pieces += [text[done:start], "\u3000" * (end - start)]
                done = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def named(self, name: str) -> list[tuple[int, int]]:
        """Where labels of this name stand."""
        return self._named.get(name, [])
