"""Which strings of an API body are text, and which the protocol needs as they are.

Everything is text unless it is known not to be: an unknown field is masked rather than leaked. That covers OpenAI's
chat completions, completions, responses and embeddings and Anthropic's messages. Tool arguments that are JSON in a
string are masked inside: an escaped name (``\\u5f20``) is seen, and quotes stay right. A long number in them that is
personal becomes a string: a placeholder is none. Keys are text, too, where they are the user's own; a key is also
looked at as the label of its value (``phone: ...``).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from fathom.errors import FathomError

from .masker import Masked, Masker
from .spans import Span
from .stream import Unmasker
from .vault import CLOSE, OPEN, Vault

__all__ = ["ATTACHMENTS", "Told", "is_conversation", "mask_body", "unmask_body", "wants_json"]

ATTACHMENTS = ("refuse", "pass", "redact")  # what becomes of images, sound and files, which nobody looks into here
REMOVED = "[attachment removed]"

# Words of the protocol, identifiers, settings: the values of these keys stay, but for the users' own data.
_KEEP = frozenset(
    {
        *("model", "role", "type", "id", "object", "status", "finish_reason", "stop_reason"),
        *("tool_call_id", "call_id", "tool_use_id", "item_id", "previous_response_id", "response_id", "conversation"),
        *("detail", "format", "service_tier", "encoding_format", "reasoning_effort", "effort", "verbosity", "include"),
        *("modalities", "truncation", "media_type", "mode", "tool_choice", "betas", "cache_control", "syntax"),
        *("signature", "encrypted_content", "prompt_cache_retention"),
        *(
            "server_url",
            "server_label",
            "authorization",
            "connector_id",
            "vector_store_ids",
            "container",
        ),  # hosted tools
    }
)
_SCHEMA_KEEP = frozenset({"type", "format", "pattern", "$ref", "$schema", "$id", "contentEncoding"})
_SCHEMAS = frozenset({"parameters", "input_schema", "schema"})  # keys of JSON schemas
_DATA = frozenset({"metadata", "variables"})  # keys of the users' own objects
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})  # types whose ``input`` is the users' own object
_JSON_TEXT = frozenset({"arguments", "partial_json"})
_MEDIA = frozenset(
    {
        *("image", "image_url", "input_image", "audio", "input_audio", "video", "input_video"),
        *("file", "input_file", "document", "container_upload", "computer_screenshot", "image_generation_call"),
    }
)
_SEALED = frozenset({"redacted_thinking"})  # types whose strings only the upstream can read
_LONG_NUMBER = 10**6
_LABEL = 64  # characters of the name of a number, at most
_SETTINGS = frozenset(  # keys of numbers that no person wrote
    {"seed", "created", "created_at", "expires_at", "max_tokens", "max_completion_tokens", "max_output_tokens"}
)
_OPAQUE = frozenset({"signature", "encrypted_content"})
_SUSPECT = re.compile(r"[^\x00-\x7f]|@|(?:[0-9][ -]?){7}")  # more than a word of the protocol
_NAME = re.compile(r"[\w.:/-]{1,128}", re.ASCII)  # of a program
_MEDIA_TEXT = frozenset({"filename", "title", "context"})
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$.-]{0,63}", re.ASCII)
_ESCAPE = re.compile(r"(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4})")


class Told(NamedTuple):
    """One text of a body: its place as a client would name it, what is sent on, what was found in the original."""

    path: str
    text: str
    spans: list[Span]


class _Names:
    """Keys that are to be renamed, once all values are put back by their old names."""

    def __init__(self) -> None:
        self._all: dict[int, tuple[dict[str, Any], dict[str, str]]] = {}

    def note(self, holder: dict[str, Any], key: str, name: str) -> None:
        self._all.setdefault(id(holder), (holder, {}))[1][key] = name

    def put(self) -> None:
        """In their order."""
        for holder, names in self._all.values():
            members = [(names.get(key, key), value) for key, value in holder.items()]
            holder.clear()
            holder.update(members)


def is_conversation(path: str) -> bool:
    """What grows from request to request: numbered last, so that the rest keeps its placeholders."""
    return path.startswith(("messages", "input", "prompt"))


class _Slot(NamedTuple):
    holder: Any  # the dict or list that holds the string
    key: Any
    path: str
    kind: str  # "text", "json", "key" (the key itself), or "name": letters, digits, _ and - only
    label: str = ""  # the name of what it is the value of, where that is the user's own


def mask_body(body: dict[str, Any], masker: Masker, vault: Vault, *, attachments: str = "refuse") -> list[Told]:
    """Masks every text of a request, in place, and tells which.

    The same in the same order each time, so that a conversation sent again gets the same placeholders and the
    upstream's prefix cache keeps working. Errors: ``attachment_refused``, ``tokens_refused``.
    """
    for name in ("prompt", "input"):
        if isinstance(body.get(name), list) and any(isinstance(item, int | list) for item in body[name]):
            raise FathomError("tokens_refused", param=name)
    if attachments != "pass":
        _take_out(body, attachments, "input_text" if "input" in body else "text")
    _long_numbers(body, masker, mode="protocol")
    texts: list[str] = []
    labelled: list[str] = []
    slots = sorted(_slots(body, "", "protocol"), key=lambda slot: is_conversation(slot.path))
    parts = [_part(slot, masker, texts, labelled) for slot in slots]
    masked = masker.mask_all(texts + labelled, vault)
    names = _Names()
    told = [part.put(masked, names) for part in parts]
    names.put()
    return told


@dataclass(frozen=True, slots=True)
class _Part:
    """A slot, its texts among all, and how they are put back."""

    slot: _Slot
    value: str
    parsed: list[Any] | None  # the JSON in it, in a list of its own
    inside: list[_Slot]  # the texts of that
    first: int  # number of its first text
    count: int  # of its texts

    def put(self, masked: list[Masked], names: _Names) -> Told:
        pieces = masked[self.first : self.first + self.count]
        spans = [span for piece in pieces for span in piece.entities]
        if self.parsed is not None:
            text = self._json(pieces)
        elif self.count == 2 and pieces[1].entities:  # escapes that are no JSON hid something
            text = pieces[1].text
        else:
            text = pieces[0].text
        holder, key, path, kind, _ = self.slot
        if kind == "key":
            names.note(holder, key, text)
        else:
            holder[key] = text.translate({ord(OPEN): None, ord(CLOSE): None}) if kind == "name" else text
        return Told(path, text, spans)

    def _json(self, pieces: list[Masked]) -> str:
        """The same JSON around other texts; as it was written where all are the same."""
        names = _Names()
        for slot, piece in zip(self.inside, pieces, strict=True):
            if slot.kind == "key":
                names.note(slot.holder, slot.key, piece.text)
            else:
                slot.holder[slot.key] = piece.text
        names.put()
        assert self.parsed is not None
        return (
            self.value if self.parsed[0] == json.loads(self.value) else json.dumps(self.parsed[0], ensure_ascii=False)
        )


def _part(slot: _Slot, masker: Masker, texts: list[str], labelled: list[str]) -> _Part:
    """Adds the texts of ``slot`` to ``texts``, and to ``labelled`` those that show what they are."""
    value = slot.key if slot.kind == "key" else slot.holder[slot.key]
    first = len(texts)
    parsed = _parsed(value) if slot.kind == "json" or ("\\u" in value and slot.kind == "text") else None
    if parsed is not None:
        _long_numbers(parsed, masker, mode="data")
        inside = list(_slots(parsed, slot.path, "data"))
        for each in inside:
            texts.append(each.key if each.kind == "key" else each.holder[each.key])
            if each.label:
                labelled.append(f"{each.label}: {texts[-1]}")
        return _Part(slot, value, parsed, inside, first, len(inside))
    texts.append(value)
    if slot.label:
        labelled.append(f"{slot.label}: {value}")
    if (plain := _ESCAPE.sub(_unescaped, value)) != value:
        texts.append(plain)
    return _Part(slot, value, None, [], first, len(texts) - first)


def unmask_body(body: Any, vault: Vault, *, json_text: bool = False) -> Any:
    """Puts the values back into every string of an answer, in place, and returns it. ``json_text``: the answer's own
    text was asked for as JSON, so the values are escaped as JSON wants."""
    for holder, key, name in _strings([body]):
        inside = name in _JSON_TEXT or (json_text and name in ("content", "text"))
        holder[key] = Unmasker(vault, json=inside).feed(holder[key], end=True)
    return body


def wants_json(body: Mapping[str, Any]) -> bool:
    """Whether a request asks for an answer that is JSON (chat completions, responses, messages)."""
    forms = [body.get("response_format"), body.get("output_format")]
    forms += [told.get("format") for name in ("text", "output_config") if isinstance(told := body.get(name), dict)]
    asked = any(isinstance(form, dict) and form.get("type") in ("json_object", "json_schema") for form in forms)
    return asked or any(body.get(name) for name in ("guided_json", "json_schema"))  # vLLM's and llama.cpp's own


def _slots(value: Any, path: str, mode: str, label: str = "") -> Iterator[_Slot]:
    """The texts below ``value`` in order. ``mode``: "protocol", "schema" (JSON schema) or "data" (the users' own)."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield _Slot(value, index, f"{path}[{index}]", "text", label)
            else:
                yield from _slots(item, f"{path}[{index}]", mode, label)
    elif isinstance(value, dict):
        if mode == "protocol" and _type(value) in _SEALED:
            return
        media = mode == "protocol" and _is_media(value)
        for key, item in value.items():
            own = mode == "data" or not _IDENTIFIER.fullmatch(key)  # a key of the user's may say who it is about
            place = f"{path}.*" if own else f"{path}.{key}".lstrip(".")
            if own:
                yield _Slot(value, key, f"{path} (key)", "key")
            if media and key not in _MEDIA_TEXT:
                continue
            if mode != "data" and key in (_KEEP if mode == "protocol" else _SCHEMA_KEEP) and _is_plain(item):
                if isinstance(item, str) and key not in _OPAQUE and _SUSPECT.search(item):
                    yield _Slot(value, key, place, "text")
                continue
            if not isinstance(item, str):
                yield from _slots(item, place, (inner := _mode(mode, key, value)), key if inner == "data" else "")
            elif (slot := _slot(value, key, place, mode)) is not None:
                yield slot


def _slot(holder: dict[str, Any], key: str, place: str, mode: str) -> _Slot | None:
    """The slot of a string, if it is text."""
    if mode == "data":
        return _Slot(holder, key, place, "text", key)
    if mode == "schema" or key not in (*_JSON_TEXT, "name"):
        return _Slot(holder, key, place, "text")
    if key in _JSON_TEXT:
        return _Slot(holder, key, place, "json")
    if "role" not in holder:
        return None if _NAME.fullmatch(holder[key]) else _Slot(holder, key, place, "text")
    if holder["role"] in ("tool", "function"):  # a program's name
        return None
    return _Slot(holder, key, place, "name", "Name" if holder[key].isascii() else "姓名")


def _is_plain(value: Any) -> bool:
    """A word or number, or a list of such: no place for a text."""
    return not isinstance(value, dict) and not (
        isinstance(value, list) and any(isinstance(i, dict | list) for i in value)
    )


def _mode(mode: str, key: str, holder: Mapping[str, Any]) -> str:
    if mode != "protocol":
        return mode
    if key in _DATA or (key == "input" and _type(holder) in _CALLS):
        return "data"
    return "schema" if key in _SCHEMAS else mode


def _type(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    return kind if isinstance(kind, str) else ""


def _is_media(part: Mapping[str, Any]) -> bool:
    if _type(part) not in _MEDIA:
        return False
    source = part.get("source")
    return not (isinstance(source, dict) and source.get("type") in ("text", "content"))  # a document in plain text


def _take_out(value: Any, policy: str, text_type: str, path: str = "", mode: str = "protocol") -> None:
    for key, item in list(_items(value)):
        place = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}".lstrip(".")
        inner = _mode(mode, key, value) if isinstance(value, dict) else mode
        if inner == "protocol" and isinstance(item, dict) and _is_media(item):
            if policy == "refuse":
                raise FathomError("attachment_refused", param=place, kind=str(item["type"]))
            value[key] = {"type": text_type, "text": REMOVED}
        else:
            _take_out(item, policy, text_type, place, inner)


def _long_numbers(value: Any, masker: Masker, *, mode: str) -> None:
    """Turns the numbers that are personal, by themselves or by their name, into strings, in place."""
    found = list(_numbers(value, mode, ""))
    bare = _reaches([told for *_, told in found], masker)
    named = _reaches([f"{name}: {told}" for _, _, name, told in found], masker)
    for (holder, key, name, told), alone, end in zip(found, bare, named, strict=True):
        if alone or end > len(name) + 2:
            holder[key] = told


def _numbers(value: Any, mode: str, label: str) -> Iterator[tuple[Any, Any, str, str]]:
    """(holder, key, name, digits) of the numbers that may be personal."""
    for key, item in _items(value):
        inner, name = (_mode(mode, key, value), key) if isinstance(value, dict) else (mode, label)
        if type(item) not in (int, float):
            yield from _numbers(item, inner, name)
        elif (inner == "data" or name not in _SETTINGS) and (
            abs(item) >= _LONG_NUMBER or (isinstance(item, float) and inner != "protocol")
        ):
            told = str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
            yield value, key, name[-_LABEL:].replace("\n", " "), told


def _reaches(lines: list[str], masker: Masker) -> list[int]:
    """How far into each line something personal reaches, 0 where there is nothing; found in all of them at once."""
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    reaches = [0] * len(lines)
    for span in masker.scanner.find("\n".join(lines)):
        for line in range(bisect_right(starts, span.start) - 1, bisect_left(starts, span.end)):
            reaches[line] = max(reaches[line], min(span.end, starts[line + 1] - 1) - starts[line])
    return reaches


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _parsed(text: str) -> list[Any] | None:
    """JSON in a string, in a list of its own so that a bare string has a holder; None: it is none."""
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return None


def _unescaped(escape: re.Match[str]) -> str:
    """The character of ``\\u5f20``; half a pair, and what would change how JSON is read, stay."""
    character: str = json.loads(f'"{escape[0]}"')
    return escape[0] if character in '"\\' or character < " " or "\ud800" <= character <= "\udfff" else character


def _strings(value: Any, name: str = "") -> Iterator[tuple[Any, Any, str]]:
    """(holder, key, nearest name) of every string below ``value``."""
    for key, item in _items(value):
        near = key if isinstance(key, str) else name
        if isinstance(item, str):
            yield value, key, near
        else:
            yield from _strings(item, near)
