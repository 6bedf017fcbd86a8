"""Log-probabilities in OpenAI's two shapes: a list of objects (chat), parallel lists (completions)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..llm import TokenLogprob

__all__ = ["Columns", "chat_entry"]

_LOWEST = -9999.0  # OpenAI's figure for "as good as impossible"; JSON has no infinity
TokenBytes = Callable[[int], bytes]


def _finite(value: float) -> float:
    return max(value, _LOWEST)


def chat_entry(entry: TokenLogprob, token_bytes: TokenBytes) -> dict[str, Any]:
    top = [_named(token, logprob, token_bytes) for token, logprob in entry.top]
    return {**_named(entry.token_id, entry.logprob, token_bytes), "top_logprobs": top}


def _named(token: int, logprob: float | None, token_bytes: TokenBytes) -> dict[str, Any]:
    raw = token_bytes(token)
    text = raw.decode("utf-8", "replace")
    return {"token": text, "logprob": _finite(0.0 if logprob is None else logprob), "bytes": list(raw)}


def _label(token: int, token_bytes: TokenBytes) -> str:
    """The token's text, or ``bytes:\\\\xe4\\\\xbd`` where it is a part of a character."""
    raw = token_bytes(token)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


@dataclass(slots=True)
class Columns:
    """The legacy shape, one entry a token in each list; offsets count characters of the choice's text."""

    tokens: list[str] = field(default_factory=list)
    token_logprobs: list[float | None] = field(default_factory=list)
    top_logprobs: list[dict[str, float] | None] = field(default_factory=list)
    text_offset: list[int] = field(default_factory=list)

    def add(self, entries: Sequence[TokenLogprob], offset: int, token_bytes: TokenBytes) -> None:
        """``entries`` whose text begins at ``offset``; a logprob of None: the first token of a prompt."""
        for entry in entries:
            label = _label(entry.token_id, token_bytes)
            self.tokens.append(label)
            self.text_offset.append(offset)
            if entry.logprob is None:
                self.token_logprobs.append(None)
                self.top_logprobs.append(None)
                continue
            self.token_logprobs.append(_finite(entry.logprob))
            top = {_label(token, token_bytes): _finite(logprob) for token, logprob in reversed(entry.top)}
            self.top_logprobs.append({**top, label: _finite(entry.logprob)})

    def dump(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
