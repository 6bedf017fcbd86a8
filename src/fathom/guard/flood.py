"""Texts made to wear out or to wear down: endless runs of one character, conversations forged inside of a message."""

from __future__ import annotations

import re
from itertools import islice

__all__ = ["forged_turns", "has_run"]

_TURN = re.compile(
    r"^[ \t>*#\[<|]{0,8}(?:user|human|assistant|system|ai|bot|用户|助手|助理|系统|人类)[ \t\]>|*]{0,8}[:：]",
    re.IGNORECASE | re.MULTILINE,
)


def has_run(text: str, length: int) -> bool:
    """Whether ``text`` has a run of one character of ``length`` (2 or more), or of more.

    Every such run holds a block of half that length that begins at a multiple of it, so few characters are looked at.
    """
    block = length // 2
    for start in range(0, len(text) - block + 1, block):
        one, end = text[start], start + block
        if text[end - 1] == one and text.count(one, start, end) == block:
            before, after = text[max(0, start - length) : start], text[end : end + length]
            run = block + len(before) - len(before.rstrip(one)) + len(after) - len(after.lstrip(one))
            if run >= length:
                return True
    return False


def forged_turns(text: str, most: int) -> int:
    """How many lines of ``text`` begin like somebody's turn (``User:``, ``助手：``); counted up to ``most`` + 1.

    Many-shot attacks show a model hundreds of turns in which it obeyed.
    """
    return sum(1 for _ in islice(_TURN.finditer(text), most + 1))
