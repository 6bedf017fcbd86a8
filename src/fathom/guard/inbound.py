"""A request's texts on their way to the model: made clean, measured, and what was done to them told.

Nothing is lost silently: the names of the fields whose text was changed (``messages[0].content``), and what is worth
knowing of others, are for response headers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ..errors import FathomError
from .flood import forged_turns, has_run
from .limits import Limits, excess
from .unicode import clean, has_private_use

__all__ = ["Inbound", "check_size", "header_list", "inbound"]

_MOST_NAMES = 32  # of fields, in one header
_MEDIA_FIELDS = (".url", ".data", ".image_url", ".file_data")  # of OpenAI's and Anthropic's parts
_MEDIA = re.compile(r"(?:data:[\w.+/-]*(?:;[\w=.-]+)*,)?[A-Za-z0-9+/_-]*={0,2}", re.ASCII)


@dataclass(slots=True)
class Inbound:
    """What was found in the texts of one request."""

    cleaned: list[str] = field(default_factory=list)
    flagged: list[str] = field(default_factory=list)
    characters: int = 0  # of all texts

    def headers(self) -> dict[str, str]:
        """``x-fathom-cleaned`` and ``x-fathom-flagged``, where there is something to tell."""
        told = {"x-fathom-cleaned": self.cleaned, "x-fathom-flagged": self.flagged}
        return {name: header_list(entries) for name, entries in told.items() if entries}


def header_list(names: list[str]) -> str:
    """Names from a request as the value of a header."""
    more = [f"and {len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    safe = [re.sub(r"[^\w.\[\]() -]", "?", name, flags=re.ASCII)[:80] for name in names[:_MOST_NAMES]]
    return ", ".join(safe + more)


def inbound(body: dict[str, Any], names: Collection[str], limits: Limits) -> Inbound:
    """Cleans the texts in the fields ``names`` of ``body``, in place. Raises ``parameter_invalid`` for a flood."""
    found = Inbound()
    for name in names:
        if name in body:
            body[name] = _clean(body[name], name, limits, found)
    return found


def check_size(text: str, characters: int, name: str, limits: Limits) -> None:
    """Refuses a text that floods, alone or as the last of several with ``characters`` in all, by its ``name``."""
    if characters > limits.characters:
        problem = f"more than {limits.characters} characters of text in a request"
    elif has_run(text, limits.run + 1):
        problem = f"more than {limits.run} times the same character in a row"
    else:
        return
    raise FathomError("parameter_invalid", param=name, problem=problem)


def _clean(value: Any, name: str, limits: Limits, found: Inbound) -> Any:
    if isinstance(value, str):
        return _clean_text(value, name, limits, found)
    if isinstance(value, list):
        return [
            entry if isinstance(entry, int | float) else _clean(entry, f"{name}[{i}]", limits, found)
            for i, entry in enumerate(value)
        ]
    if isinstance(value, dict):
        members = {clean(key): _clean(member, f"{name}.{key}", limits, found) for key, member in value.items()}
        if len(members) < len(value):
            raise FathomError("parameter_invalid", param=name, problem="two keys differ in invisible characters only")
        if members.keys() != value.keys():
            found.cleaned.append(name)
        return members
    return value


def _clean_text(text: str, name: str, limits: Limits, found: Inbound) -> str:
    if name.endswith(_MEDIA_FIELDS) and _MEDIA.fullmatch(text):
        if (size := len(text) * 3 // 4) > limits.media_bytes:  # before anybody decodes it
            problem = f"about {size} bytes of media; at most {limits.media_bytes} are allowed"
            raise FathomError("parameter_invalid", param=name, problem=problem)
        return text
    found.characters += len(text)
    check_size(text, found.characters, name, limits)
    cleaned = clean(text)
    if name.endswith(".arguments"):  # of a call: JSON in a text, which templates read
        if beyond := excess(cleaned.encode("utf-8", "surrogatepass"), limits):
            raise FathomError("parameter_invalid", param=name, problem=beyond)
        cleaned = _clean_json(cleaned, name, limits)
    if cleaned != text:
        found.cleaned.append(name)
    if has_private_use(cleaned):
        found.flagged.append(f"{name} (private use)")
    if forged_turns(cleaned, limits.turns) > limits.turns:
        found.flagged.append(f"{name} (more than {limits.turns} turns)")
    return cleaned


def _clean_json(text: str, name: str, limits: Limits) -> str:
    """JSON that may spell in escapes what would be removed; unchanged where it is no JSON or has nothing to remove."""
    if "\\u" not in text:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    cleaned = _clean(value, name, limits, Inbound())
    return text if cleaned == value else json.dumps(cleaned, ensure_ascii=False)
