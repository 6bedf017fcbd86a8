"""Finds personal data in a text: for now what a pattern alone can tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from .entities import DEFAULT_TYPES
from .spans import Span

__all__ = ["Scanner"]

_RULES = {
    "EMAIL": re.compile(r"(?a:[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"),
    "CN_ID": re.compile(r"(?<![0-9A-Za-z])[1-9][0-9]{16}[0-9Xx](?![0-9A-Za-z])"),
    "PHONE": re.compile(r"(?<![0-9A-Za-z])1[3-9][0-9]{9}(?![0-9A-Za-z])"),
    "BANK_CARD": re.compile(r"(?<![0-9A-Za-z])[3-6][0-9]{12,18}(?![0-9A-Za-z])"),
    "IP": re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z.])"),
}


class Scanner:
    """Compiled once for a set of types, dictionaries (value -> type) and patterns (regex -> type); thread-safe."""

    def __init__(
        self,
        types: Collection[str] = DEFAULT_TYPES,
        *,
        dictionary: Mapping[str, str] = {},
        patterns: Mapping[str, str] = {},
        allow: Collection[str] = (),
        threshold: float = 0.5,
    ) -> None:
        self._rules = [(type, rule) for type, rule in _RULES.items() if type in types]
        self._rules += [(type, re.compile(re.escape(value))) for value, type in dictionary.items()]
        self._rules += [(type, re.compile(pattern)) for pattern, type in patterns.items()]
        self._allow = frozenset(allow)
        self._threshold = threshold

    def find(self, text: str) -> list[Span]:
        """Sorted and disjoint; the longest wins."""
        hits = [
            Span(hit.start(), hit.end(), type, 0.9)
            for type, rule in self._rules
            for hit in rule.finditer(text)
            if hit[0] and hit[0] not in self._allow and self._threshold <= 0.9
        ]
        spans: list[Span] = []
        for hit in sorted(hits, key=lambda span: (span.start, -span.end)):
            if not spans or hit.start >= spans[-1].end:
                spans.append(hit)
        return spans
