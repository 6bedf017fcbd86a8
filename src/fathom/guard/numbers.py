"""Numbers that check themselves or have a shape of their own: papers, cards, devices, telephones.

The native pass gives every place where such a number stands, with its kind and the form it is written in; here the
words around it decide. Of two kinds at one place the labelled one is the stronger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from fathom._guard import numbers

from .context import AGAINST
from .page import Found, Page

__all__ = ["KINDS", "TYPES", "WORDS", "find"]

WORDS: dict[str, list[str]] = {}


class Kind(NamedTuple):
    """How sure a number of this kind is: alone in one piece, in its usual groups, scattered; with its label."""

    type: str
    plain: float
    grouped: float
    scattered: float
    labelled: float
    against: float = 0.45  # what a label of something else takes away
    other: float = 0.1  # what a label of another type takes away


#: In the order of ``Kind`` in csrc/guard/numbers.h.
KINDS = (
    Kind("CN_ID", 0.95, 0.95, 0.9, 0.99, 0.2),
    Kind("CN_ID", 0.2, 0.2, 0.1, 0.4),  # wrong check character
    Kind("CN_ID", 0.2, 0.2, 0.1, 0.85),  # 15 digits
    Kind("CN_USCC", 0.9, 0.9, 0.8, 0.99, 0.2),
    Kind("BANK_CARD", 0.8, 0.85, 0.6, 0.97, other=0.35),
    Kind("BANK_CARD", 0.1, 0.1, 0.1, 0.4),  # wrong check digit
    Kind("IMEI", 0.35, 0.6, 0.2, 0.95),
    Kind("VIN", 0.8, 0.8, 0.6, 0.97),
    Kind("VIN", 0.2, 0.2, 0.1, 0.75),  # no check digit: not every country asks for it
    Kind("IBAN", 0.97, 0.97, 0.9, 0.99, 0.1),
    Kind("US_ROUTING", 0.2, 0.2, 0.1, 0.95),
    Kind("US_SSN", 0.1, 0.7, 0.1, 0.95),
    Kind("US_ITIN", 0.1, 0.7, 0.1, 0.96),
    Kind("US_NPI", 0.3, 0.3, 0.2, 0.96),
    Kind("UK_NHS", 0.2, 0.6, 0.2, 0.96),
    Kind("UK_NINO", 0.85, 0.85, 0.7, 0.97),
    Kind("UK_NINO", 0.3, 0.3, 0.2, 0.96),  # a prefix that is not given out
    Kind("HKID", 0.55, 0.85, 0.4, 0.96),
    Kind("PHONE", 0.85, 0.85, 0.75, 0.95),  # Chinese mobile
    Kind("PHONE", 0.6, 0.7, 0.4, 0.95),  # Chinese fixed line
    Kind("PHONE", 0.4, 0.75, 0.3, 0.9),  # 400 and 800
    Kind("PHONE", 0.3, 0.7, 0.2, 0.9),  # North America
    Kind("PHONE", 0.3, 0.6, 0.2, 0.9),  # United Kingdom
    Kind("PHONE", 0.85, 0.85, 0.85, 0.95),  # with + and country code
)
TYPES = frozenset({*(kind.type for kind in KINDS), "CN_PERMIT"})
#: Labels of other types that are right here too.
_ALSO = {
    "HKID": {"CN_ID"},
    "US_ITIN": {"US_SSN"},
    "US_SSN": {"US_ITIN"},
    "BANK_CARD": {"BANK_ACCOUNT"},
    "CN_USCC": {"TAX_ID"},
    "IBAN": {"BANK_ACCOUNT"},
    "CN_PERMIT": {"CN_ID"},
}
_NONE: frozenset[str] = frozenset()
_WRONG_ID, _WRONG_CARD, _INTERNATIONAL = 1, 5, len(KINDS) - 1  # in KINDS
_WRONG = (_WRONG_ID, _WRONG_CARD)
_STRICT = 0.85  # how sure these are with their label on a strict page
_NUMERALS = str.maketrans("〇零一幺壹二两贰三叁四肆五伍六陆七柒八捌九玖", "0011122233445566778899")
_IMEI_BODIES = re.compile("01|35|86|99")  # reporting bodies of nearly all devices in use
_EXTENSION = re.compile(r" ?(?:转|分机|ext\.?|x) ?[:：]? ?[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE)
_MONEY_BEFORE = re.compile(r"(?:[¥￥$€£]|RMB|CNY|USD|HKD|EUR|GBP) ?$")
_MONEY_AFTER = re.compile(r" ?(?:[元块円万亿%‰€£]|美元|人民币|欧元|英镑|港币|USD|RMB|CNY|yuan|dollars)")
_TODAY_EVERYWHERE = timedelta(hours=14)  # the farthest time zone ahead of UTC


def find(page: Page) -> Iterator[Found]:
    today = datetime.now(UTC) + _TODAY_EVERYWHERE
    text, wrong = page.text, (0, 0)
    for start, end, number, form in numbers(page.plain, int(today.strftime("%Y%m%d"))).tolist():
        kind = KINDS[number]
        if number == _INTERNATIONAL:
            digits = re.sub("[^0-9]", "", text[start:end].translate(_NUMERALS))
            if not is_international(digits.removeprefix("00")):
                continue
        labels = page.labels.of(start, end, near=True)
        score = (kind.plain, kind.grouped, kind.scattered)[form]
        if number == _WRONG_ID:
            wrong = start, end
        if kind.type == "BANK_CARD" and (end - start < 15 or (start, end) == wrong):
            score -= 0.4  # 13 and 14 digits are rare on cards; and what looks like a wrong CN_ID is one
        type = kind.type
        if type == "CN_ID" and labels and labels[0] == "CN_PERMIT" and text[start] == "8":
            type = "CN_PERMIT"  # a residence permit: regions 81 to 83
        if not _ALSO.get(type, _NONE).isdisjoint(labels):
            labels.append(type)
        if kind.type == "IMEI" and _IMEI_BODIES.match(text, start):
            score += 0.2
        if (labels and labels[0] == AGAINST) or is_money(text, start, end):
            score -= kind.against
        elif type in labels:
            score = _STRICT if page.is_strict and number in _WRONG else kind.labelled
        elif labels:
            score -= kind.other
        yield Found(*_whole(text, start, end, type), type, round(max(0.0, score), 2))


def is_money(text: str, start: int, end: int) -> bool:
    return _MONEY_BEFORE.search(text, max(0, start - 5), start) is not None or _MONEY_AFTER.match(text, end) is not None


def _whole(text: str, start: int, end: int, type: str) -> tuple[int, int]:
    """With the brackets that belong to it, the + and the extension."""
    for opening, closing in ("()", "[]"):
        if text[start - 1 : start] == opening and closing in text[start:end]:
            start -= 1
        if text[end : end + 1] == closing and text.rfind(opening, start, end) > text.rfind(closing, start, end):
            end += 1
    if type == "PHONE":
        start -= text[start - 1 : start] == "+"
        if (match := _EXTENSION.match(text, end)) is not None:
            end = match.end()
    return start, end


def is_international(digits: str) -> bool:
    """Whether country code and number are ones that are given out, by the metadata of libphonenumber."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    for length in (1, 2, 3):
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]), ("ZZ",))
        metadata = PhoneMetadata.metadata_for_region(regions[0], None)  # the main one; the others are parts of its plan
        numbers = metadata.general_desc.national_number_pattern if metadata and metadata.general_desc else None
        national = digits[length:]  # also with the trunk prefix: +44 (0)20 ...
        if numbers and (re.fullmatch(numbers, national) or re.fullmatch(numbers, national.removeprefix("0"))):
            return True
    return False
