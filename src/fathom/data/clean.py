"""Text made uniform, and what keeps a document out.

Reasons, not scores: every refused document is counted under one name in the data card.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["flaw", "languages_mixed", "normalise", "plain"]

_SPECIAL = re.compile(r"<｜[^｜<>]{1,30}｜>|<\|[^|<>]{1,30}\|>")  # spelled-out control tokens
_PICTURE = re.compile(r"<img\b[^>]*>|!\[[^\]]*\]\([^)]*\)|data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060\ud800-\udfff\ufeff\ufffd]")
_BLANKS, _TRAILING = re.compile(r"\n{3,}"), re.compile(r"[ \t]+\n")
_HAN, _LATIN = re.compile(r"[\u3400-\u9fff]"), re.compile(r"[A-Za-z]")
_NO_WORD = re.compile(r"[\W_]+")

MOST_REPEATED = 0.3  # share of the lines that are repeats
LEAST_LETTERS = 0.55  # share of characters other than white space that are letters
MIXED = 20  # letters below which the script of an answer says nothing


def normalise(text: str) -> str:
    """NFC, Unix line ends, at most one empty line in a row; no control characters, halves of surrogate pairs, control
    tokens or pictures."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _PICTURE.sub("", _SPECIAL.sub("", _CONTROL.sub("", text))).replace("\u3000", " ").replace("\xa0", " ")
    return _BLANKS.sub("\n\n", _TRAILING.sub("\n", text)).strip()


def plain(text: str) -> str:
    """What counts when texts are compared: letters and digits, lower case."""
    return _NO_WORD.sub("", text).lower()


def flaw(text: str, language: str, least: int) -> str | None:
    """Why a document of prose is left out, or None. ``least``: characters; ``language``: zh, en or empty (any)."""
    if len(text) < least:
        return "too short"
    visible = sum(map(len, text.split()))
    letters = sum(map(str.isalpha, text))
    if letters < LEAST_LETTERS * visible:
        return "few letters"
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if len(lines) > 3 and len(set(lines)) < (1 - MOST_REPEATED) * len(lines):
        return "repeated lines"
    han = len(_HAN.findall(text))
    if (language == "zh" and han < 0.3 * letters) or (language == "en" and han > 0.1 * letters):
        return "other language"
    return None


def languages_mixed(answer: str, language: str) -> bool:
    """Whether an answer of a conversation in ``language`` is in the other one."""
    han, latin = len(_HAN.findall(answer)), len(_LATIN.findall(answer))
    if language == "en":
        return han > 0
    return language == "zh" and latin > MIXED and latin > 2 * han
