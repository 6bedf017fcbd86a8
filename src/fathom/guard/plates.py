"""Chinese number plates (GA 36-2018): blue, with the green ones of new energy, and those of special use."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .context import AGAINST
from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"CN_PLATE"})

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
WORDS = {"plate": [*(p + letter for p in _PROVINCES for letter in _LETTERS), "使", "WJ", "民航"]}

_AFTER = r"(?![0-9A-Za-z])"
_PLATE = re.compile(
    rf"[{_PROVINCES}][A-HJ-Z][ .·-]{{0,2}}(?:"
    rf"[0-9A-HJ-NP-Z]{{4}}[学警港澳挂领试超]|"  # learner, police, Hong Kong, Macao, trailer, consulate, test
    rf"(?:[A-HJ-K][0-9A-HJ-NP-Z][0-9]{{4}}|[0-9]{{5}}[A-HJ-K]){_AFTER}|"  # new energy: small, large vehicles
    rf"[0-9A-HJ-NP-Z](?:[ ·-]?[0-9A-HJ-NP-Z]){{4}}{_AFTER})",
    re.IGNORECASE,
)
_EMBASSY = re.compile(rf"(?:使[ .·-]{{0,2}}[0-9]{{6}}|[0-9]{{6}}使){_AFTER}")
_ARMED_POLICE = re.compile(
    rf"WJ ?[{_PROVINCES}]?[ .·-]{{0,2}}[0-9]{{4}}[0-9A-Z]{_AFTER}|民航[ .·-]{{0,2}}[0-9A-Z]{{5}}{_AFTER}"
)


def find(page: Page) -> Iterator[Found]:
    for start, _, _ in page.words.get("plate", ()):
        for pattern in (_PLATE, _EMBASSY, _ARMED_POLICE):
            match = pattern.match(page.text, start)
            if match is None:
                continue
            labels = page.labels.of(*match.span())
            digits = sum(map(str.isdigit, match[0]))
            score = 0.85 if digits >= 3 else 0.45
            if "CN_PLATE" in labels:
                score = 0.97
            elif labels and labels[0] == AGAINST:
                score -= 0.4
            yield Found(*match.span(), "CN_PLATE", score)
