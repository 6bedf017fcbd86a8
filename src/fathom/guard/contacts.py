"""How people and machines are reached: telephone, e-mail, IP address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .page import Found, Page

__all__ = ["WORDS", "find"]

WORDS = {"version": ["版本", "version", "固件", "release", "ver."]}
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?|0086[- ]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}(?![0-9A-Za-z])")
_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")


def find(page: Page) -> Iterator[Found]:
    text, at = page.text, -1
    while (at := text.find("@", at + 1)) >= 0:
        left = at
        while (
            left > 0
            and at - left < 64
            and text[left - 1].isascii()
            and (text[left - 1].isalnum() or text[left - 1] in "._%+-")
        ):
            left -= 1
        if (match := _EMAIL.match(text, left)) is not None:
            yield Found(match.start(), match.end(), "EMAIL", 0.95)
    for start, end, digits in page.runs:
        if digits >= 11:
            for match in _MOBILE.finditer(text, start, end):
                yield Found(match.start(), match.end(), "PHONE", 0.85)
        for match in _IPV4.finditer(text, start, end):
            try:
                ipaddress.IPv4Address(match.group())
            except ValueError:
                continue
            if not page.near("version", match.start(), match.end()):
                yield Found(match.start(), match.end(), "IP", 0.7)
