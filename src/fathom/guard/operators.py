"""What stands in place of a value. Placeholders and surrogates can be undone; the others here can't.

partial: the ends stay, ``138****5678``; never more than two thirds of the letters and digits. hash: type and 48 bits of
HMAC-SHA256 under the caller's key, equal for equal values and nothing else. redact: the type alone.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator

__all__ = ["OPERATORS", "REVERSIBLE", "irreversible"]

OPERATORS = ("placeholder", "surrogate", "partial", "hash", "redact")
REVERSIBLE = frozenset({"placeholder", "surrogate"})

_HASH_DIGITS = 12  # hexadecimal
_ENDS = {  # letters and digits that stay in front and behind; others: the first of four and more
    "PERSON": (1, 0),
    "ADDRESS": (3, 0),
    "ORGANISATION": (2, 0),
    "PHONE": (3, 4),
    "BANK_CARD": (0, 4),
    "BANK_ACCOUNT": (0, 4),
    "IBAN": (2, 4),
    "CN_ID": (2, 2),
    "CN_PLATE": (2, 2),
    "BIRTH_DATE": (4, 0),
    "SECRET": (0, 0),
}
_SEPARATORS = frozenset(" -._/:@,()+·")
_WORD = re.compile(r"[A-Za-z]+")


def irreversible(operator: str, type: str, value: str, key: bytes) -> str:
    """``value`` under partial, hash or redact; ``key`` is for hash."""
    match operator:
        case "partial":
            return _partial(type, value)
        case "hash":
            digest = hmac.digest(key, f"{type}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
            return f"[{type}:{digest.hex()[:_HASH_DIGITS]}]"
        case _:
            return f"[{type}]"


def _partial(type: str, value: str) -> str:
    if type == "EMAIL" and "@" in value:
        name, _, domain = value.rpartition("@")
        return f"{_starred(name, 1, 0)}@{domain}"
    if type == "PERSON" and value.isascii():
        return _WORD.sub(lambda word: _starred(word[0], 1, 0), value)
    count = sum(map(str.isalnum, value))
    head, tail = _ENDS.get(type, (1, 0) if count >= 4 else (0, 0))
    return _starred(value, head, tail)


def _starred(value: str, head: int, tail: int) -> str:
    """Separators stay; everything else between the first ``head`` and last ``tail`` letters and digits is a star."""
    count = sum(map(str.isalnum, value))
    if 3 * (head + tail) > 2 * count:  # too short: less stays
        head, tail = min(head, count // 3), 0

    def characters() -> Iterator[str]:
        seen = 0
        for character in value:
            if not character.isalnum():
                yield character if character in _SEPARATORS else "*"
                continue
            seen += 1
            yield character if seen <= head or seen > count - tail else "*"

    return "".join(characters())
