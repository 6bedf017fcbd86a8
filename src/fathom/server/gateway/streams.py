"""Streams, a format each: events in, events out, every text through its channel.

What a channel holds back is said before the event that ends its block. Comments and events nobody here knows pass;
an end that comes too early is an error the client can read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import FathomError
from ..wire import envelope
from .answers import KEPT, Answer, Channel
from .sse import DONE, Event

__all__ = ["ChoiceStream", "MessageStream", "ResponseStream", "Stream"]

Path = tuple[str | int, ...]


class Stream(ABC):
    """What all formats share. ``answer_id`` is the name the upstream gave its answer, once it said it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.is_complete = False
        self.answer_id: str | None = None

    def take(self, event: Event) -> Iterator[Event]:
        """What the client gets for ``event``."""
        data = None if event.data is None else event.json()
        if data is not None:
            yield from self._take(event, data)
        elif event.data == DONE:
            yield from self._rest()
            self.is_complete = True
            yield event
        elif event.data is None:
            yield event
        else:
            yield Event(event.name, self.answer.text(event.data), event.others)

    def end(self) -> Iterator[Event]:
        """After the upstream's last byte."""
        yield from self._rest()
        if not self.is_complete:
            yield from self.failed(FathomError("upstream_broken", problem="its stream ended too early"))

    @abstractmethod
    def failed(self, error: Exception) -> Iterator[Event]:
        """``error`` as this format says it."""

    @abstractmethod
    def _take(self, event: Event, data: dict[str, Any]) -> Iterator[Event]:
        """What the client gets for an event that holds JSON."""

    @abstractmethod
    def _rest(self) -> Iterator[Event]:
        """What all channels hold."""

    def _whole(self, event: Event, data: Mapping[str, Any]) -> Event:
        """An event without pieces of texts."""
        return Event.of(self.answer.value(data), event.name, event.others)


class ChoiceStream(Stream):
    """Chat completions (``choices[].delta``) and completions (``choices[].text``)."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._envelope: dict[str, Any] = {}
        self._channels: dict[int, dict[Path, Channel]] = {}
        self._ended: set[int] = set()

    def _take(self, event: Event, data: dict[str, Any]) -> Iterator[Event]:
        choices = data.get("choices")
        if not isinstance(choices, list):
            self.is_complete |= "error" in data
            yield self._whole(event, data)
            return
        rest = {name: self.answer.value(member, name) for name, member in data.items() if name != "choices"}
        self._envelope = {name: member for name, member in rest.items() if name not in ("usage", "timings")}
        out: list[Any] = []
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            index = index if isinstance(index, int) else 0
            yield from self._turn(index, choice)
            new = self._pieces(index, choice, ())
            if choice.get("finish_reason") is not None:
                yield from self._close(index)
                self._ended.add(index)
            out.append(new)
        self.is_complete = bool(self._ended) and self._ended >= self._channels.keys()
        yield Event.of({**rest, "choices": out}, event.name, event.others)

    def _pieces(self, index: int, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            name = next((step for step in reversed(path) if isinstance(step, str)), "")
            if name in KEPT:
                return value
            channels = self._channels.setdefault(index, {})
            if path not in channels:
                channels[path] = self.answer.channel(name)
            return channels[path].feed(value)
        if isinstance(value, list):
            return [self._pieces(index, entry, (*path, _number(entry, i))) for i, entry in enumerate(value)]
        if isinstance(value, dict):
            return {
                name: None if name == "logprobs" else self._pieces(index, member, (*path, name))
                for name, member in value.items()
            }
        return value

    def _turn(self, index: int, choice: Mapping[str, Any]) -> Iterator[Event]:
        """When another text begins (the answer after the reasoning), the one before is said to its end."""
        channels = self._channels.get(index, {})
        speaking = {path for path in channels if _at(choice, path)}
        if isinstance(delta := choice.get("delta"), dict):
            fresh = any(isinstance(text, str) and text for name, text in delta.items() if name not in KEPT)
            if not (fresh or delta.get("tool_calls")):
                return
        for path in list(channels):
            if path not in speaking and not any(isinstance(step, int) for step in path):
                yield from self._say(index, path, channels.pop(path).close())

    def _close(self, index: int) -> Iterator[Event]:
        for path, channel in self._channels.pop(index, {}).items():
            yield from self._say(index, path, channel.close())
        self._channels[index] = {}

    def _rest(self) -> Iterator[Event]:
        for index in list(self._channels):
            yield from self._close(index)

    def _say(self, index: int, path: Path, text: str) -> Iterator[Event]:
        if not text:
            return
        inner: Any = text
        for step in reversed(path):
            inner = {step: inner} if isinstance(step, str) else [{"index": step, **inner}]
        yield Event.of({**self._envelope, "choices": [{"index": index, **inner, "finish_reason": None}]})

    def failed(self, error: Exception) -> Iterator[Event]:
        self.is_complete = True
        yield Event.of(envelope(error)[1])
        yield Event(data=DONE)


class MessageStream(Stream):
    """Anthropic's messages: blocks with deltas."""

    _TYPES: Mapping[str, str] = {
        "text": "text_delta",
        "thinking": "thinking_delta",
        "partial_json": "input_json_delta",
    }

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._channels: dict[Any, dict[str, Channel]] = {}

    def _take(self, event: Event, data: dict[str, Any]) -> Iterator[Event]:
        kind, index = data.get("type"), data.get("index")
        index = index if isinstance(index, int) else 0
        if kind == "content_block_delta" and isinstance(delta := data.get("delta"), dict):
            yield from self._turn(index, delta)
            pieces = {name: self._piece(index, name, member) for name, member in delta.items()}
            yield Event.of({**data, "delta": pieces}, event.name, event.others)
            return
        if kind == "content_block_stop":
            yield from self._close(index)
        elif kind in ("message_stop", "error"):
            yield from self._rest()
            self.is_complete = True
        yield self._whole(event, data)

    def _piece(self, index: int, name: str, value: Any) -> Any:
        if name not in self._TYPES or not isinstance(value, str):
            return self.answer.value(value, name)
        channels = self._channels.setdefault(index, {})
        if name not in channels:
            channels[name] = self.answer.channel(name)
        return channels[name].feed(value)

    def _turn(self, index: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        """A signature ends the thinking it signs."""
        for name in [name for name in self._channels.get(index, {}) if name not in delta]:
            yield from self._say(index, name, self._channels[index].pop(name).close())

    def _close(self, index: int) -> Iterator[Event]:
        for name, channel in self._channels.pop(index, {}).items():
            yield from self._say(index, name, channel.close())

    def _rest(self) -> Iterator[Event]:
        for index in list(self._channels):
            yield from self._close(index)

    def _say(self, index: int, name: str, text: str) -> Iterator[Event]:
        if text:
            delta = {"type": self._TYPES[name], name: text}
            yield Event.of({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")

    def failed(self, error: Exception) -> Iterator[Event]:
        self.is_complete = True
        yield Event.of(anthropic_error(error)[1], "error")


class ResponseStream(Stream):
    """OpenAI's responses: ``*.delta`` events by item and part; ``*.done`` events repeat the whole text."""

    _ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
    _PLACE = ("item_id", "output_index", "content_index", "summary_index")

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._channels: dict[tuple[Any, ...], tuple[Channel, dict[str, Any]]] = {}
        self._number = 0

    def _take(self, event: Event, data: dict[str, Any]) -> Iterator[Event]:
        kind = str(data.get("type", event.name))
        what, _, step = kind.rpartition(".")
        key = (what, *(str(data.get(name)) for name in self._PLACE))
        if isinstance(response := data.get("response"), dict) and isinstance(response.get("id"), str):
            self.answer_id = response["id"]
        if step == "delta" and isinstance(data.get("delta"), str) and not what.endswith("audio"):
            if key not in self._channels:
                self._channels[key] = self.answer.channel(_field(what)), data
            channel, _ = self._channels[key]
            self._channels[key] = channel, data
            rest = {name: self.answer.value(member, name) for name, member in data.items() if name != "delta"}
            yield self._numbered(event, {**rest, "delta": channel.feed(data["delta"])})
            return
        if step == "done":
            yield from self._close(key)
        elif kind in self._ENDS:
            yield from self._rest()
            self.is_complete = True
        yield self._numbered(event, self.answer.value(data))

    def _numbered(self, event: Event, data: dict[str, Any]) -> Event:
        """Events that were put in between shift the numbers of those that follow."""
        if "sequence_number" in data:
            data["sequence_number"] = self._number
        self._number += 1
        if "logprobs" in data:
            data["logprobs"] = []
        return Event.of(data, event.name, event.others)

    def _close(self, key: tuple[Any, ...]) -> Iterator[Event]:
        if (found := self._channels.pop(key, None)) is not None:
            channel, last = found
            if text := channel.close():
                yield self._numbered(Event(str(last.get("type"))), {**last, "delta": text})

    def _rest(self) -> Iterator[Event]:
        for key in list(self._channels):
            yield from self._close(key)

    def failed(self, error: Exception) -> Iterator[Event]:
        self.is_complete = True
        inner = envelope(error)[1]["error"]
        told = {name: inner[name] for name in ("code", "message", "param")}
        yield self._numbered(Event("error"), {"type": "error", **told, "sequence_number": self._number})


def anthropic_error(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body of any exception in the shape that Anthropic's clients read."""
    status, body = envelope(error)
    named = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}
    named |= {404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}
    kind = named.get(status, "invalid_request_error" if status < 500 else "api_error")
    return status, {"type": "error", "error": {"type": kind, "message": body["error"]["message"]}}


def _field(what: str) -> str:
    """The name of the field that a ``done`` event of this kind repeats."""
    if what.endswith("arguments"):
        return "arguments"
    return "text" if what.endswith("output_text") else ""


def _number(entry: Any, place: int) -> int:
    index = entry.get("index") if isinstance(entry, dict) else None
    return index if isinstance(index, int) else place


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


StreamOf = Callable[[Answer], Stream]
