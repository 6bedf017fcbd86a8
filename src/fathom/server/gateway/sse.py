"""Server-sent events (WHATWG HTML, 9.2), read from any cuts of the bytes and written again.

Lines end with LF, CR LF or CR; an empty line ends an event. What is no ``event`` or ``data`` field (comments, ids,
retry times) is kept and written in front. An event is bounded, so a line without an end can't fill the memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import FathomError

__all__ = ["DONE", "Event", "Parser", "dumps"]

DONE = "[DONE]"
LONGEST = 16 * 2**20  # bytes of one event
_END = re.compile(rb"\r\n|\n|\r")


@dataclass(slots=True)
class Event:
    name: str = ""
    data: str | None = None  # None: a comment, which is no event for a client
    others: list[str] = field(default_factory=list)  # lines that are neither

    @classmethod
    def of(cls, data: Mapping[str, Any], name: str = "", others: list[str] | None = None) -> Event:
        return cls(name, dumps(data), others or [])

    def json(self) -> dict[str, Any] | None:
        """The data, where they are a JSON object."""
        try:
            value = json.loads(self.data or "")
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def encode(self) -> bytes:
        lines = [*self.others]
        if self.name:
            lines.append(f"event: {self.name}")
        if self.data is not None:
            lines += (f"data: {line}" for line in self.data.split("\n"))
        return ("\n".join(lines) + "\n\n").encode()


def dumps(value: Any) -> str:
    """Compact JSON; what UTF-8 can't hold (half a surrogate pair) stays an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


class Parser:
    """For one stream. ``is_inside``: an event has begun that did not end yet."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of the line that did not end yet
        self._size = 0
        self._after_cr = False
        self._first = True
        self._begin()

    def _begin(self) -> None:
        self._name = ""
        self._data: list[str] = []
        self._others: list[str] = []
        self._size = sum(map(len, self._line))

    @property
    def is_inside(self) -> bool:
        return bool(self._line or self._data or self._others or self._name)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that ``chunk`` completes. Raises ``upstream_broken`` for one without end."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return
        self._after_cr = chunk.endswith(b"\r")
        *lines, rest = _END.split(chunk)
        for line in lines:
            whole = b"".join([*self._line, line])
            self._line = []
            self._grow(len(line))
            if whole:
                self._take(whole.decode("utf-8", "replace"))
            elif self.is_inside:
                yield Event(self._name, "\n".join(self._data) if self._data else None, self._others)
                self._begin()
        if rest:
            self._line.append(rest)
            self._grow(len(rest))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > LONGEST:
            raise FathomError("upstream_broken", problem=f"an event of more than {LONGEST} bytes")

    def _take(self, line: str) -> None:
        if self._first:
            line, self._first = line.removeprefix("\ufeff"), False
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        else:
            self._others.append(line)
