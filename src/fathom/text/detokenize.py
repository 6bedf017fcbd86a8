"""Token ids -> text while they are generated: never half a character, never part of a stop string.

:class:`Detokenizer` holds back an incomplete UTF-8 sequence until it is complete or proven invalid;
:class:`StopChecker` holds back only what may still become a stop string. Both are exact: what they give out adds up to
the decoding of the whole (cut before the stop string).
"""

from __future__ import annotations

import codecs
from collections.abc import Container, Iterable

from .tokenizer import Tokenizer

__all__ = ["Detokenizer", "StopChecker"]


class Detokenizer:
    """``push`` each id, ``flush`` at the end; the pieces joined equal ``tokenizer.decode(ids)``.

    Hidden control tokens are left out, but for those in ``shown``.
    """

    def __init__(self, tokenizer: Tokenizer, *, shown: Container[int] = ()) -> None:
        self._tokenizer, self._shown = tokenizer, shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        if token in self._tokenizer.hidden and token not in self._shown:
            return ""
        return self._decoder.decode(self._tokenizer.token_bytes(token))

    def flush(self) -> str:
        """What is left: U+FFFD for a sequence that was never completed."""
        return self._decoder.decode(b"", final=True)


class StopChecker:
    """Cuts a stream of text before the stop string that is complete first, however the text is cut into pieces."""

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(s for s in stops if s)
        self._held = ""
        self.matched: str | None = None  # the stop string that ended the text

    def push(self, text: str) -> str:
        """The part of the text so far that can't belong to a stop string; nothing any more once one has matched."""
        if self.matched is not None:
            return ""
        text = self._held + text
        if hits := [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]:
            _, at, self.matched = min(hits)
            self._held = ""
            return text[:at]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back in vain."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of ``text`` that begins ``stop``."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
