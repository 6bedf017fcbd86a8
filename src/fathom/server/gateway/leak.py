"""Personal data in an answer that the user did not supply.

What the user supplied comes back as tokens, so whatever is found in the answer before tokens are replaced was not
masked on its way out: the model knew it, a tool brought it in at the upstream, or it was made up. What stands in the
request all the same (because it was allowed, or not recognised there) is no leak.

``warn`` counts, and adds no delay. ``mask`` and ``block`` must see a value before the client does: a stream is held
back by ``HELD`` characters, and a value that is recognised only by more of what follows slips through.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

from ...errors import FathomError
from ...guard import Masker, Span, Vault

__all__ = ["HELD", "POLICIES", "LeakScan", "Window"]

POLICIES = ("mask", "warn", "block", "off")
HELD = 64  # characters of a stream that wait for what follows
BEFORE = 256  # characters that are looked at again as context
_BATCH = 4096  # characters between two looks where nothing waits for them
_APART = re.compile(r"[\W_]+")


class LeakScan:
    """Of one request. ``found`` counts by type; values are never kept."""

    def __init__(self, policy: str, masker: Masker, vault: Vault, supplied: Callable[[], Sequence[str]]) -> None:
        self.policy = policy
        self.found: Counter[str] = Counter()
        self._find = masker.scanner.find  # a value at a cut may be none: it must not spread
        self._tokens = vault.literals()
        self._texts = supplied
        self._supplied: str | None = None

    def spans(self, text: str) -> list[Span]:
        """The leaks in ``text``, which still has its tokens."""
        tokens, _ = self._tokens.find(text)
        spans = self._find(text)
        return [span for span in spans if not _overlaps(span, tokens) and not self._was_supplied(text, span)]

    def _was_supplied(self, text: str, span: Span) -> bool:
        if self._supplied is None:
            self._supplied = "\n".join(map(_bare, self._texts()))
        return _bare(text[span.start : span.end]) in self._supplied

    def note(self, spans: Sequence[Span]) -> None:
        self.found.update(span.type for span in spans)
        if spans and self.policy == "block":
            kinds = ", ".join(sorted({span.type for span in spans}))
            raise FathomError("leak_blocked", kinds=kinds)


class Window:
    """One text of an answer that arrives in pieces. ``json``: it is JSON, which must stay JSON."""

    def __init__(self, scan: LeakScan, *, json: bool = False) -> None:
        self._scan, self._json = scan, json
        self._text = ""  # what was said last, as context, and what waits
        self._said = 0  # characters of it that were said, or at least looked at
        self.feed: Callable[..., str] = {"off": _as_it_is, "warn": self._watch}.get(scan.policy, self._hold)

    def _watch(self, piece: str, end: bool = False) -> str:
        """Everything at once; looked at in batches."""
        self._text += piece
        if end or len(self._text) - self._said >= _BATCH:
            stop = len(self._text) if end else len(self._text) - HELD
            spans = [span for span in self._scan.spans(self._text) if self._said <= span.start < stop]
            self._scan.note(spans)
            self._forget(stop)
        return piece

    def _hold(self, piece: str, end: bool = False) -> str:
        self._text += piece
        stop = len(self._text) if end else len(self._text) - HELD
        if stop <= self._said:
            return ""
        spans = [span for span in self._scan.spans(self._text) if self._said < span.end and span.start < stop]
        for span in spans:
            if span.end > stop and not end:  # it may still grow: all of it waits
                stop = max(span.start, self._said) if span.end - span.start <= BEFORE else span.end
        spans = [span for span in spans if span.start < stop]
        self._scan.note(spans)
        out: list[str] = []
        done = self._said
        for span in spans:
            start = max(span.start, done)
            out += self._text[done:start], _covered(span.type, self._text[start : span.end], self._json)
            done = span.end
        out.append(self._text[done:stop])
        self._forget(stop)
        return "".join(out)

    def _forget(self, stop: int) -> None:
        cut = max(0, stop - BEFORE)
        self._text, self._said = self._text[cut:], stop - cut


def _as_it_is(piece: str, end: bool = False) -> str:
    del end
    return piece


def _covered(type: str, value: str, json: bool) -> str:
    """In JSON a number stays a number: it may stand without quotes."""
    if json and value.isascii() and not any(map(str.isalpha, value)):
        return re.sub("[0-9]", "9", value)
    return f"[{type}]"


def _overlaps(span: Span, places: Sequence[tuple[int, int]]) -> bool:
    """``places``: sorted and disjoint."""
    at = bisect_left(places, (span.end, 0)) - 1
    return at >= 0 and places[at][1] > span.start


def _bare(text: str) -> str:
    """Letters and digits alone: a number written with other separators is the same number."""
    return _APART.sub("", unicodedata.normalize("NFKC", text).casefold())
