"""Puts values back into a text that arrives in pieces.

One pass from left to right, the longest token at each place, and what was put back is never searched again. Held back
is only what may still become a token (and, in JSON, an escape that the end of a piece cut); so the answer is the same
however the text is cut.
"""

from __future__ import annotations

import json as _json
import re
from collections import Counter

from .vault import SPELLINGS, Vault, placeholder

__all__ = ["Unmasker"]

_HEX = "[0-9a-fA-F]"
_ESCAPE = re.compile(
    rf"(?P<pair>\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})|(?P<unit>\\u{_HEX}{{4}})|(?P<short>\\[\"\\/bfnrt])"
)
_CUT_PAIR = re.compile(rf"\\u[dD][89abAB]{_HEX}{{2}}(?:\\(?:u(?:[dD](?:[c-fC-F]{_HEX}?)?)?)?)?")
_CUT_ESCAPE = re.compile(rf"\\(?:u{_HEX}{{0,3}})?")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Unmasker:
    """For one stream and one thread. It knows the tokens the vault has when it is made, placeholders also as a model
    may spell them (``[person 1]``; csrc/guard/placeholders.h says how). ``unknown`` counts what looks like one, stands
    for nothing and was not in the user's text: it stays as it is.

    ``json=True``: the stream is JSON text; tokens are also recognised where they are written with escapes
    (``\\u27e6PERSON_1\\u27e7``), and values are escaped as a JSON string wants it.
    """

    def __init__(self, vault: Vault, *, json: bool = False) -> None:
        self._values = vault.tokens()
        self._tokens = vault.literals()
        self._own = vault.own()
        self._json = json
        self.unknown: Counter[str] = Counter()
        self._held = ""

    @property
    def held(self) -> int:
        """Characters that wait for more."""
        return len(self._held)

    def feed(self, text: str, end: bool = False) -> str:
        """What can be said now; with ``end`` all of it, and the next call begins a new text."""
        raw, self._held = self._held + text, ""
        plain, places = _decoded(raw, end) if self._json and "\\" in raw else (raw, None)
        found, unknown, stop = SPELLINGS.find(plain, self._tokens, self._tokens, open=not end)
        self.unknown.update(token for _, _, *named in unknown if (token := placeholder(*named)) not in self._own)
        pieces: list[str] = []
        done = 0
        for start, finish, type, number in found:
            value = self._values[plain[start:finish] if type < 0 else placeholder(type, number)]
            pieces += _cut(raw, places, done, start), _escaped(value) if self._json else value
            done = finish
        pieces.append(_cut(raw, places, done, stop))
        self._held = raw[stop if places is None else places[stop] :]
        return "".join(pieces)


def _cut(raw: str, places: list[int] | None, start: int, stop: int) -> str:
    return raw[start:stop] if places is None else raw[places[start] : places[stop]]


def _decoded(raw: str, end: bool) -> tuple[str, list[int]]:
    """JSON text as the characters it means, and where each begins in ``raw``; last, where they end or an escape is cut
    off."""
    out: list[str] = []
    places: list[int] = []
    done = 0
    while (slash := raw.find("\\", done)) >= 0:
        out.append(raw[done:slash])
        places.extend(range(done, slash))
        done = slash
        places.append(slash)
        if not end and (_CUT_ESCAPE.fullmatch(raw, slash) or _CUT_PAIR.fullmatch(raw, slash)):
            return "".join(out), places
        escape = _ESCAPE.match(raw, slash)
        if escape is None:  # no JSON; the backslash stands for itself
            out.append("\\")
            done += 1
            continue
        done = escape.end()
        if escape["short"]:
            out.append(_SHORT.get(raw[slash + 1], raw[slash + 1]))
        else:
            out.append(_json.loads(f'"{escape[0]}"'))
    out.append(raw[done:])
    places.extend(range(done, len(raw) + 1))
    return "".join(out), places


def _escaped(value: str) -> str:
    """As inside a JSON string; what UTF-8 can't hold (lone surrogates) is escaped too."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return _json.dumps(value)[1:-1]
    return _json.dumps(value, ensure_ascii=False)[1:-1]
