"""Log-probabilities in OpenAI's two shapes: a list of objects (chat), parallel lists (completions)."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..text.tokenizer import Tokenizer

__all__ = ["Columns", "Scored", "chat_entry"]

_LOWEST = -9999.0  # OpenAI's figure for "as good as impossible"; JSON has no infinity


class Scored(Protocol):
    """A token of the prompt or of the answer. ``logprob`` is None for the first token of a prompt."""

    @property
    def id(self) -> int: ...
    @property
    def logprob(self) -> float | None: ...
    @property
    def top(self) -> tuple[tuple[int, float], ...]: ...


def _finite(value: float) -> float:
    return max(value, _LOWEST)


def chat_entry(token: Scored, tokenizer: Tokenizer) -> dict[str, Any]:
    top = [_named(other, logprob, tokenizer) for other, logprob in token.top]
    return {**_named(token.id, token.logprob or 0.0, tokenizer), "top_logprobs": top}


def _named(token: int, logprob: float, tokenizer: Tokenizer) -> dict[str, Any]:
    raw = tokenizer.token_bytes(token)
    return {"token": _label(raw), "logprob": _finite(logprob), "bytes": list(raw)}


def _label(raw: bytes) -> str:
    r"""The token's text, or ``bytes:\xe4\xbd`` where it is a part of a character."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


class Columns:
    """The legacy shape: one entry a token in each of four lists; offsets count characters of the choice's text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0
        self._clear()

    def _clear(self) -> None:
        self._tokens: list[str] = []
        self._token_logprobs: list[float | None] = []
        self._top_logprobs: list[dict[str, float] | None] = []
        self._text_offset: list[int] = []

    def add(self, tokens: Iterable[Scored]) -> None:
        for token in tokens:
            raw = self._tokenizer.token_bytes(token.id)
            label = _label(raw)
            self._tokens.append(label)
            self._text_offset.append(self._offset)
            if token.id not in self._tokenizer.hidden:  # control tokens are no part of the text
                self._offset += len(self._decoder.decode(raw))
            if token.logprob is None:
                self._token_logprobs.append(None)
                self._top_logprobs.append(None)
                continue
            top = {_label(self._tokenizer.token_bytes(i)): _finite(logprob) for i, logprob in reversed(token.top)}
            self._token_logprobs.append(_finite(token.logprob))
            self._top_logprobs.append({**top, label: _finite(token.logprob)})

    def take(self) -> dict[str, Any]:
        """What was added since the last time."""
        taken = {
            "tokens": self._tokens,
            "token_logprobs": self._token_logprobs,
            "top_logprobs": self._top_logprobs,
            "text_offset": self._text_offset,
        }
        self._clear()
        return taken
