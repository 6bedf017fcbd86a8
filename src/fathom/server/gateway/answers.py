"""What comes back: values put in place of tokens, and a look at what else is in there.

A :class:`Channel` is one text that the upstream writes piece by piece: the content of one choice, the arguments of one
call. Whole answers go through channels of one piece, so both ways give the same text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...guard import Masker, Unmasker, Vault
from .leak import LeakScan, Window

__all__ = ["JSON_TEXTS", "KEPT", "Answer", "Channel"]

# Identifiers, words of the protocol and binary data: never text.
KEPT = frozenset(
    {
        *("id", "object", "model", "role", "type", "status", "index", "name", "call_id", "item_id", "response_id"),
        *("tool_call_id", "tool_use_id", "previous_response_id", "finish_reason", "stop_reason", "service_tier"),
        *("system_fingerprint", "signature", "encrypted_content", "embedding", "b64_json", "partial_image_b64"),
        *("data", "result", "obfuscation", "encoding_format"),
    }
)
JSON_TEXTS = frozenset({"arguments", "partial_json"})  # JSON in a string
_DROPPED = "logprobs"  # of the masked text's tokens: they fit no text the client sees
_OUTPUTS = frozenset({"content", "text"})  # of an answer that may be asked for as JSON
_PROSE = ("summary_text", "reasoning_text")  # types of texts that are no JSON then


class Answer:
    """To one request, of which the masked texts ``sent`` went out. ``json``: its text was asked for as JSON, so what
    is put in place is escaped as JSON wants."""

    def __init__(self, masker: Masker, vault: Vault, sent: Sequence[str], *, leaks: str, json: bool) -> None:
        self.vault = vault
        self.leaks = LeakScan(leaks, masker, vault, lambda: [masker.unmask(text, vault) for text in sent])
        self.json = json
        self.unknown: Counter[str] = Counter()  # placeholders that stand for nothing, in texts that have ended
        self._said: dict[
            tuple[str, bool], str
        ] = {}  # what a channel, JSON or not, got: events that repeat it say the same

    def channel(self, name: str) -> Channel:
        return Channel(self, json=self._is_json(name))

    def _is_json(self, name: str) -> bool:
        return name in JSON_TEXTS or (self.json and name in _OUTPUTS)

    def text(self, raw: str, name: str = "") -> str:
        """One whole text of a field ``name``."""
        if (said := self._said.get((raw, self._is_json(name)))) is not None:
            return said
        return self.channel(name).feed(raw, end=True)

    def note(self, raw: str, said: str, *, json: bool) -> None:
        self._said[raw, json] = said

    def value(self, value: Any, name: str = "", *, free: bool = False) -> Any:
        """A JSON value with all its texts as the client shall read them. ``free``: an object of the user's own, in
        which every string is text."""
        if isinstance(value, str):
            return value if name in KEPT and not free else self.text(value, "" if free else name)
        if isinstance(value, list):
            return [self.value(entry, name, free=free) for entry in value]
        if isinstance(value, dict):
            prose = value.get("type") in _PROSE
            return {
                self.text(key) if free else key: None
                if key == _DROPPED and not free
                else self.value(member, "" if prose and key == "text" else key, free=free or _is_free(key, member))
                for key, member in value.items()
            }
        return value


def _is_free(name: str, value: Any) -> bool:
    return name in ("input", "metadata") and isinstance(value, dict)


class Channel:
    """One text in pieces. ``held`` may be empty though something waits."""

    def __init__(self, answer: Answer, *, json: bool) -> None:
        self._window = Window(answer.leaks, json=json)
        self._unmasker = Unmasker(answer.vault, json=json)
        self._answer, self._json = answer, json
        self._got: list[str] = []
        self._gave: list[str] = []

    def feed(self, piece: str, end: bool = False) -> str:
        self._got.append(piece)
        said = self._unmasker.feed(self._window.feed(piece, end), end)
        if end:
            self._answer.unknown += self._unmasker.unknown
        self._gave.append(said)
        return said

    def close(self) -> str:
        """What waited."""
        rest = self.feed("", end=True)
        self._answer.note("".join(self._got), "".join(self._gave), json=self._json)
        return rest
