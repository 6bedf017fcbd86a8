"""Which strings of an API body are text, and which the protocol needs as they are.

Everything is text unless it is known not to be: an unknown field is masked rather than leaked. That covers OpenAI's
chat completions, completions, responses and embeddings and Anthropic's messages. Tool arguments that are JSON in a
string are masked inside: an escaped name (``\\u5f20``) is seen, and quotes stay right. A long number in them that is
personal becomes a string: a placeholder is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fathom.errors import FathomError

from .masker import Masker
from .spans import Span
from .stream import Unmasker
from .vault import CLOSE, OPEN, Vault

__all__ = ["ATTACHMENTS", "Told", "mask_body", "unmask_body", "wants_json"]

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
    }
)
_SCHEMA_KEEP = frozenset(
    {"type", "format", "pattern", "required", "$ref", "$schema", "$id", "$defs", "contentEncoding"}
)
_SCHEMAS = frozenset({"parameters", "input_schema", "schema"})  # keys of JSON schemas
_DATA = frozenset({"metadata", "variables"})  # keys of the users' own objects
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})  # types whose ``input`` is the users' own object
_JSON_TEXT = frozenset({"arguments", "partial_json"})
_MEDIA = frozenset(
    {
        *("image", "image_url", "input_image", "audio", "input_audio", "video", "input_video"),
        *("file", "input_file", "document", "container_upload"),
    }
)
_LONG_NUMBER = 10**6
_MEDIA_TEXT = frozenset({"filename", "title", "context"})


class Told(NamedTuple):
    """One text of a body: its place as a client would name it, what is sent on, what was found in the original."""

    path: str
    text: str
    spans: list[Span]


class _Slot(NamedTuple):
    holder: Any  # the dict or list that holds the string
    key: Any
    path: str
    kind: str  # "text", "json", or "name": letters, digits, _ and - only


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
    _long_numbers(body, masker, data=False)
    slots = list(_slots(body, "", "protocol"))
    texts: list[str] = []
    parts: list[tuple[_Slot, Any, int]] = []  # slot, parsed JSON or None, number of its texts
    for slot in slots:
        value = slot.holder[slot.key]
        parsed = _parsed(value) if slot.kind == "json" or "\\u" in value else None
        _long_numbers(parsed, masker, data=True)
        inside = [value] if parsed is None else [holder[key] for holder, key, _ in _strings(parsed)]
        texts += inside
        parts.append((slot, parsed, len(inside)))
    masked = iter(masker.mask_all(texts, vault))
    told = []
    for slot, parsed, count in parts:
        pieces = [next(masked) for _ in range(count)]
        if parsed is None:
            text = pieces[0].text
        else:
            for (holder, key, _), piece in zip(list(_strings(parsed)), pieces, strict=True):
                holder[key] = piece.text
            text = json.dumps(parsed[0], ensure_ascii=False)
        slot.holder[slot.key] = text.translate({ord(OPEN): None, ord(CLOSE): None}) if slot.kind == "name" else text
        told.append(Told(slot.path, slot.holder[slot.key], [span for piece in pieces for span in piece.entities]))
    return told


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
    return any(isinstance(form, dict) and form.get("type") in ("json_object", "json_schema") for form in forms)


def _slots(value: Any, path: str, mode: str) -> Iterator[_Slot]:
    """The texts below ``value`` in order. ``mode``: "protocol", "schema" (JSON schema) or "data" (the users' own)."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str):
                yield _Slot(value, index, f"{path}[{index}]", "text")
            else:
                yield from _slots(item, f"{path}[{index}]", mode)
    elif isinstance(value, dict):
        media = mode == "protocol" and _is_media(value)
        for key, item in value.items():
            place = f"{path}.{key}" if path else key
            if mode != "data" and key in (_KEEP if mode == "protocol" else _SCHEMA_KEEP) and not isinstance(item, dict):
                continue
            if media and key not in _MEDIA_TEXT:
                continue
            if not isinstance(item, str):
                yield from _slots(item, place, _mode(mode, key, value))
            elif mode != "protocol" or key not in (*_JSON_TEXT, "name"):
                yield _Slot(value, key, place, "text")
            elif key in _JSON_TEXT:
                yield _Slot(value, key, place, "json")
            elif "role" in value:  # who speaks; elsewhere a name is a program's
                yield _Slot(value, key, place, "name")


def _mode(mode: str, key: str, holder: Mapping[str, Any]) -> str:
    if mode != "protocol":
        return mode
    if key in _DATA or (key == "input" and holder.get("type") in _CALLS):
        return "data"
    return "schema" if key in _SCHEMAS else mode


def _is_media(part: Mapping[str, Any]) -> bool:
    if part.get("type") not in _MEDIA:
        return False
    source = part.get("source")
    return not (isinstance(source, dict) and source.get("type") in ("text", "content"))  # a document in plain text


def _take_out(value: Any, policy: str, text_type: str, path: str = "") -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        place = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}".lstrip(".")
        if isinstance(item, dict) and _is_media(item):
            if policy == "refuse":
                raise FathomError("attachment_refused", param=place, kind=str(item["type"]))
            value[key] = {"type": text_type, "text": REMOVED}
        else:
            _take_out(item, policy, text_type, place)


def _long_numbers(value: Any, masker: Masker, *, data: bool) -> None:
    """Turns the integers of users' data that are personal into strings, in place."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        if data and type(item) is int and abs(item) >= _LONG_NUMBER and masker.find(str(item)):
            value[key] = str(item)
        else:
            inside = data or (
                isinstance(key, str) and isinstance(value, dict) and _mode("protocol", key, value) == "data"
            )
            _long_numbers(item, masker, data=inside)


def _parsed(text: str) -> list[Any] | None:
    """JSON in a string, in a list of its own so that a bare string has a holder; None: it is none."""
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return None


def _strings(value: Any, name: str = "") -> Iterator[tuple[Any, Any, str]]:
    """(holder, key, nearest name) of every string below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        near = key if isinstance(key, str) else name
        if isinstance(item, str):
            yield value, key, near
        else:
            yield from _strings(item, near)
