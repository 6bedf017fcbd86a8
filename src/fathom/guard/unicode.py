"""What text reaches a model: NFC without the characters that nobody sees.

Invisible characters carry hidden orders (tags, variation selectors), turn text around (bidi controls) or break words up
for filters. Some of them are spelling, though: joiners in Persian, Hindi or an emoji family, variation selectors behind
Han, Mongolian and emoji. So each is judged by its neighbours; what has no business where it stands is removed. Rules in
the spirit of UTS 39 and UTS 51; the page ``limits.md`` lists them.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import is_normalized, normalize

from .unicode_sets import EMOJI, IDEOGRAPHS, IGNORABLES, MARKS, members

__all__ = ["MAX_MARKS", "clean", "has_private_use"]

MAX_MARKS = 8  # in a row; the deepest stacks of living scripts (Tibetan, vowelled Hebrew) have about 6
SORTABLE_MARKS = 32  # marks in a row before NFC, whose sorting takes quadratic time in CPython
_LINE_BREAKS = "\v\f\x85"

_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_ASCII_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\r"})
_NO_CHARACTERS = "\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)
)
_JOINERS = "\u200c\u200d"
#: Blocks of cursive scripts and of those with conjuncts, where joiners are spelling; Hebrew for its points.
_JOINING = (
    "\u0590-\u074f\u0750-\u077f\u07c0-\u07ff\u0840-\u08ff\u0900-\u0dff\u0f00-\u109f\u1700-\u18af\u1900-\u1cff"
    "\ua800-\ua8ff\ua930-\uaaff\uabc0-\uabff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010bff\U00010d00-\U00010d8f\U00010ec0-\U00011fff\U0001e900-\U0001e95f\U0001ee00-\U0001eeff"
)
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaa7f"  # Thai, Khmer
_MONGOLIAN, _FREE_VARIATION = "\u1820-\u18aa", "\u180b-\u180d\u180f"
_SKIN = "\U0001f3fb-\U0001f3ff"
#: After a character that may have to go: what lets it stay, by the character itself and its neighbours.
_STAYS = (
    # emoji: presentation, families, keycaps; the flags of England, Scotland and Wales, the only ones Unicode recommends
    rf"(?<=[\ufe0e\ufe0f])(?<=[{members(EMOJI)}].)",
    rf"(?<=\u200d)(?<=[{members(EMOJI)}\ufe0e\ufe0f].)(?=[{members(EMOJI)}])",
    r"(?<=[0-9#*]\ufe0f)(?=\u20e3)",
    "(?<=\U0001f3f4\U000e0067)\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|"
    "\U000e0077\U000e006c\U000e0073)\U000e007f",
    # joiners
    rf"(?<=[{_JOINING}][{_JOINERS}])",
    rf"(?<=[{_JOINERS}])(?<![{_JOINERS}].)(?=[{_JOINING}])",
    rf"(?<=[{_UNSPACED}]\u200b)(?=[{_UNSPACED}])",
    "(?<=[\u0591-\u05c7]\u034f)",  # the grapheme joiner keeps the points of biblical Hebrew apart
    # variants of one base (StandardizedVariants.txt, by blocks; IVD), final vowels of Mongolian
    rf"(?<=[\ufe00-\ufe02\U000e0100-\U000e01ef])(?<=[{members(IDEOGRAPHS)}].)",
    "(?<=[\u3001\u3002\uff01\uff0c\uff0e\uff1a\uff1b\uff1f][\ufe00\ufe01])",
    "(?<=[0\u2205-\u22ff\u2a00-\u2adb\u1000-\u1029\uaa60-\uaa7a\ua840-\ua871\U00010ac0-\U00010ac6]\ufe00)",
    "(?<=[\U00013000-\U0001345f][\ufe00-\ufe06])",
    rf"(?<=[{_MONGOLIAN}][{_FREE_VARIATION}])",
    rf"(?<=[{_MONGOLIAN}{_FREE_VARIATION}]\u180e)(?=[{_MONGOLIAN}])",
)
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")


class _Patterns:
    """Compiled when first used. Classes end in few ranges beyond the BMP: ``re`` tries those one after the other."""

    def __init__(self) -> None:
        odd = _CONTROLS + members(IGNORABLES) + _NO_CHARACTERS
        marks = members(MARKS) + _JOINERS
        roughly = members(" ".join(r for r in MARKS.split() if len(r.partition("-")[0]) < 5)) + _JOINERS
        roughly += "\U00010000-\U0001efff\U000e0100-\U000e01ef"
        self.attention = re.compile(f"[{odd}{roughly}]")
        self.odd = re.compile(f"[{odd}]")
        self.judged = re.compile(f"[{odd}](?:({'|'.join(_STAYS)})|)", re.DOTALL)
        self.perhaps_stack = re.compile(f"[{roughly}]{{{MAX_MARKS + 1}}}")
        self.stack, self.sortable = (
            re.compile(f"([{marks}]{{{most}}})[{marks}]++") for most in (MAX_MARKS, SORTABLE_MARKS)
        )


_patterns = cache(_Patterns)


def clean(text: str) -> str:
    """``text`` as a model may read it. Linear, idempotent; ASCII and plain Han, Kana or Hangul are returned as is.

    Compare with ``text`` to know whether anything was changed.
    """
    if text.isascii():  # without a regular expression, which takes 40 ns for each character
        raw = text.encode()
        if len(raw.translate(None, _ASCII_CONTROLS)) == len(raw):
            return text
    elif _patterns().attention.search(text) is None:
        return text if is_normalized("NFC", text) else normalize("NFC", text)
    while (cleaned := _cleaned(text)) != text:  # a removal changes neighbours, but only within one stack of marks
        text = cleaned
    return text


def _cleaned(text: str) -> str:
    text = _composed(text)
    if _patterns().odd.search(text):
        text = _composed(_patterns().judged.sub(_judged, text))
    return _patterns().stack.sub(r"\1", text) if _patterns().perhaps_stack.search(text) else text


def _composed(text: str) -> str:
    if _patterns().perhaps_stack.search(text):
        text = _patterns().sortable.sub(r"\1", text)
    return normalize("NFC", text)


def _judged(match: re.Match[str]) -> str:
    if match[1] is not None:
        return match[0]
    return "\n" if match[0] in _LINE_BREAKS else ""


def has_private_use(text: str) -> bool:
    """Whether ``text`` has characters without an agreed meaning; they are kept, but hide text from a reader."""
    return not text.isascii() and _PRIVATE.search(text) is not None
