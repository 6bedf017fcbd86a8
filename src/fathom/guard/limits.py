"""How big and how odd a request may be, found out before anything is built from it.

Bytes first: size, strict UTF-8, and of the JSON's skeleton (what stands outside strings) depth and counts, each by one
pass of a C routine. Only then the parser runs, so its work and memory are bounded. What parsers disagree on (RFC 8259,
sections 4, 6 and 8) is refused: keys given twice, NaN, numbers no double holds, halves of surrogate pairs, byte order
marks.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, NoReturn

from ..errors import Both, FathomError

__all__ = ["DEFAULT", "Limits", "check_body", "excess"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request; all are 1 or more. The page ``limits.md`` says why they are what they are."""

    body_bytes: int = 32 * 2**20
    upload_seconds: int = 120  # until the body is here
    depth: int = 64  # of arrays and objects within one another
    values: int = 2**19  # in all: members of objects and entries of arrays
    keys: int = 2**16  # in all
    number_digits: int = 64  # characters of one number
    messages: int = 2048
    parts: int = 1024  # of one message
    tools: int = 512
    stop_characters: int = 1024  # of one stop string
    biases: int = 2048  # entries of logit_bias, or of metadata
    characters: int = 2**22  # of all texts for the model
    run: int = 2**14  # of one character
    media_bytes: int = 20 * 2**20  # of one picture or file, sent as base64
    turns: int = 16  # that a message may seem to hold without being flagged
    seconds: int = 86_400  # after which an answer ends, from the request's arrival
    contexts: int = 64  # prompts and answers of all choices together, in contexts of the model

    @classmethod
    def of(cls, settings: Iterable[str]) -> Limits:
        """The defaults with ``NAME=NUMBER`` of each of ``settings`` in their place."""
        names = [field.name for field in fields(cls)]
        values: dict[str, int] = {}
        for setting in settings:
            name, _, value = setting.partition("=")
            if name not in names:
                raise FathomError("choice_unknown", what=Both("limit", "限制"), found=name, known=", ".join(names))
            if not re.fullmatch("0*[1-9][0-9]{0,14}", value):
                problem = Both(f"{value!r} is no number from 1", f"{value!r} 不是从 1 起的整数")
                raise FathomError("parameter_invalid", param=f"limit {name}", problem=problem)
            values[name] = int(value)
        return cls(**values)


DEFAULT = Limits()
_BRACKETS = b"[]{}"
_OTHERS = bytes(sorted(set(range(256)) - set(_BRACKETS)))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def check_body(raw: bytes, limits: Limits = DEFAULT) -> dict[str, Any]:
    """The JSON object that ``raw`` is. Raises ``body_too_large``, ``request_invalid`` and ``parameter_invalid``."""
    if len(raw) > limits.body_bytes:
        raise FathomError("body_too_large", limit=limits.body_bytes)
    if raw.startswith(b"\xef\xbb\xbf"):
        _refuse("begins with a byte order mark; JSON is sent without")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"is not valid UTF-8 (byte {error.start})")
    if problem := excess(raw, limits):
        _refuse(problem)
    try:
        body = json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"is not valid JSON: {error}")
    if not isinstance(body, dict):
        _refuse(f"is {_kind(body)}, expected an object")
    if _SURROGATE_ESCAPE.search(raw) and any(map(_SURROGATE.search, _texts(body))):
        _refuse("holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no character")
    _check_lists(body, limits)
    return body


def _refuse(problem: str) -> NoReturn:
    raise FathomError("request_invalid", problem=f"the body {problem}")


def excess(raw: bytes, limits: Limits) -> str | None:
    """What of the JSON in ``raw`` is beyond the limits, as the end of a sentence.

    It counts what stands outside strings; exact up to the first fault in the JSON, where a parser stops.
    """
    plain = raw.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in raw else raw
    if (strings := plain.count(b'"') // 2) > limits.values + limits.keys:
        return f"has {strings} strings; at most {limits.values + limits.keys} are allowed"
    skeleton = b" ".join(plain.split(b'"')[::2])
    brackets = skeleton.translate(None, _OTHERS)
    if (values := skeleton.count(b",") + len(brackets) // 2) > limits.values:
        return f"has more than {values} values; at most {limits.values} are allowed"
    if (keys := skeleton.count(b":")) > limits.keys:
        return f"has {keys} keys; at most {limits.keys} are allowed"
    if (depth := max(accumulate(map(_STEP.__getitem__, brackets)), default=0)) > limits.depth:
        return f"is nested {depth} deep; at most {limits.depth} are allowed"
    if re.search(rb"[0-9.eE+-]{%d}" % (limits.number_digits + 1), skeleton):
        return f"has a number of more than {limits.number_digits} characters"
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:64]!r} is given twice")
    return members


def _float(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"the number {digits} is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "an array")


def _texts(value: Any) -> Iterator[str]:
    """Every text of a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _check_lists(body: Mapping[str, Any], limits: Limits) -> None:
    """The lists that every API of this kind has, under the names OpenAI and Anthropic give them."""
    lengths = {
        "messages": limits.messages,
        "tools": limits.tools,
        "logit_bias": limits.biases,
        "metadata": limits.biases,
    }
    for name, most in lengths.items():
        _check_length(name, body.get(name), most)
    for name in ("messages", "input"):
        for i, message in enumerate(_list(body.get(name))):
            if isinstance(message, dict):
                _check_length(f"{name}[{i}].content", message.get("content"), limits.parts)
                _check_length(f"{name}[{i}].tool_calls", message.get("tool_calls"), limits.tools)
    for name in ("stop", "stop_sequences"):
        stops = body.get(name)
        for stop in [stops] if isinstance(stops, str) else _list(stops):
            if isinstance(stop, str) and len(stop) > limits.stop_characters:
                problem = f"a text of {len(stop)} characters; at most {limits.stop_characters} are allowed"
                raise FathomError("parameter_invalid", param=name, problem=problem)


def _check_length(name: str, value: Any, most: int) -> None:
    if isinstance(value, list | dict) and len(value) > most:
        raise FathomError("parameter_invalid", param=name, problem=f"{len(value)} entries; at most {most} are allowed")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
