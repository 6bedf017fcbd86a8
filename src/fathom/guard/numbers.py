"""Numbers that check themselves: resident identity numbers and payment cards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from .page import Found, Page

__all__ = ["WORDS", "find", "is_card", "is_cn_id"]

WORDS = {
    "not.number": [
        "订单号",
        "订单编号",
        "单号",
        "运单",
        "流水号",
        "版本",
        "型号",
        "order no",
        "order number",
        "tracking",
        "version",
    ],
    "card.context": ["卡号", "银行卡", "信用卡", "储蓄卡", "借记卡", "账号", "card", "visa", "mastercard", "unionpay"],
    "id.context": ["身份证", "证件号", "证件号码", "公民身份号码", "ID card", "identity"],
}
_PROVINCES = {
    *range(11, 16),
    *range(21, 24),
    *range(31, 38),
    *range(41, 47),
    *range(50, 55),
    *range(61, 66),
    71,
    81,
    82,
    83,
}
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_NUMERALS = str.maketrans("〇零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖", "0012345678912123456789")
_GROUPS = re.compile(r"[0-9A-Za-z〇零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖]+")


def is_cn_id(number: str) -> bool:
    """GB 11643-1999: region, date of birth, weights mod 11. ``number``: 18 characters, X in upper case."""
    if len(number) != 18 or not number[:17].isdigit() or (int(number[:2]) not in _PROVINCES and number[0] != "9"):
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    check = "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, number, strict=False)) % 11]
    return born <= date.today() and born.year >= 1880 and number[17] == check


def is_card(number: str) -> bool:
    """ISO/IEC 7812: Luhn's check over 13 to 19 digits with an issuer that exists (3, 4, 5, 6 or 9 first)."""
    if not 13 <= len(number) <= 19 or not number.isdigit() or number[0] not in "345692" or len(set(number)) < 2:
        return False
    digits = [int(d) for d in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def find(page: Page) -> Iterator[Found]:
    for start, end, digits in page.runs:
        if digits < 13:
            continue
        groups = [(start + m.start(), m.group()) for m in _GROUPS.finditer(page.text[start:end])]
        for first in range(len(groups)):
            number = ""
            for at, group in groups[first:]:
                number += group.translate(_NUMERALS).upper()
                if len(number) > 19:
                    break
                place = groups[first][0], at + len(group)
                if len(number) == 18 and is_cn_id(number):
                    yield Found(*place, "CN_ID", 0.95)
                elif is_card(number):
                    context = page.near("card.context", *place)
                    if context or not page.near("not.number", *place):
                        yield Found(*place, "BANK_CARD", 0.95 if context else 0.8)
