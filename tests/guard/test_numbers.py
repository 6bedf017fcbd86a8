"""Checksums against python-stdnum and golden values; forms; context."""

from __future__ import annotations

import random
import string
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom import _guard
from fathom.guard.numbers import KINDS
from fathom.guard.scan import Scanner

TODAY = 20261127
SCANNER = Scanner(threshold=0.5)


def kinds(text: str) -> set[str]:
    """Of the whole of ``text``, without those with a wrong check digit."""
    wrong = {1, 5, 8, 16}
    found = _guard.numbers(text, TODAY).tolist()
    return {KINDS[kind].type for start, end, kind, _ in found if (start, end) == (0, len(text)) and kind not in wrong}


def found(text: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.type) for s in SCANNER.find(text)]


@pytest.mark.parametrize(
    ("number", "type"),
    [  # values that are published as examples, or computed
        ("11010519491231002X", "CN_ID"),
        ("91350100M000100Y43", "CN_USCC"),
        ("91110102MACQD9K640", "CN_USCC"),
        ("4111111111111111", "BANK_CARD"),
        ("6222021234567890128", "BANK_CARD"),
        ("378282246310005", "BANK_CARD"),
        ("490154203237518", "IMEI"),
        ("1234567893", "US_NPI"),
        ("GB82WEST12345698765432", "IBAN"),
        ("NO9386011117947", "IBAN"),
        ("021000021", "US_ROUTING"),
        ("9434765919", "UK_NHS"),
        ("1M8GDM9AXKP042788", "VIN"),
        ("A1234563", "HKID"),
        ("AB123456C", "UK_NINO"),
        ("123456789", "US_SSN"),
        ("912701234", "US_ITIN"),
        ("13800138000", "PHONE"),
        ("01012345678", "PHONE"),
    ],
)
def test_golden_values(number, type) -> None:
    assert type in kinds(number)


ORACLES = {
    "CN_ID": ("cn.ric", lambda r: _near_id(r)),
    "CN_USCC": ("cn.uscc", lambda r: "91350100" + _draw(r, "0123456789ABCDEFGHJKLMNPQRTUWXY", 10)),
    "IMEI": ("imei", lambda r: _draw(r, string.digits, 15)),
    "IBAN": ("iban", lambda r: "DE" + _draw(r, string.digits, 20)),
    "US_ROUTING": ("us.rtn", lambda r: r.choice(("0210", "1210", "3110")) + _draw(r, string.digits, 5)),
    "US_ITIN": ("us.itin", lambda r: f"9{_draw(r, string.digits, 2)}{r.randint(66, 99)}{_draw(r, string.digits, 4)}"),
    "UK_NHS": ("gb.nhs", lambda r: _draw(r, string.digits, 10)),
}


def _draw(r: random.Random, alphabet: str, n: int) -> str:
    return "".join(r.choices(alphabet, k=n))


def _near_id(r: random.Random) -> str:
    body = f"{r.choice((110105, 310104))}{r.randint(1940, 2020)}{r.randint(1, 12):02}{r.randint(1, 28):02}"
    return body + _draw(r, string.digits, 3) + r.choice("0123456789X")


@pytest.mark.parametrize("type", ORACLES)
def test_checks_agree_with_python_stdnum(type) -> None:
    module, draw = ORACLES[type]
    oracle, r = import_module(f"stdnum.{module}"), random.Random(7)
    valid = 0
    for _ in range(3000):
        number = draw(r)
        expected = oracle.is_valid(number)
        valid += expected
        assert (type in kinds(number)) == expected, number
    assert valid > 9


@pytest.mark.parametrize(
    "id", ["110105194912310021", "110105203001010000", "160105194912310020", "110105194902300025", "11010519491331002X"]
)
def test_an_identity_number_with_a_wrong_check_region_or_date_is_none(id) -> None:
    assert "CN_ID" not in kinds(id)
    assert all(type != "CN_ID" for _, type in found(f"身份证号{id}"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("电话138 0013 8000。", "138 0013 8000"),
        ("电话138-0013-8000。", "138-0013-8000"),
        ("电话1 3 8 0 0 1 3 8 0 0 0。", "1 3 8 0 0 1 3 8 0 0 0"),
        ("电话(138)0013(8000)。", "(138)0013(8000)"),
        ("电话[138][0013][8000]。", "[138][0013][8000]"),
        ("电话138·0013·8000。", "138·0013·8000"),
        ("电话１３８\u200b００１３８０００。", "１３８\u200b００１３８０００"),
        ("电话①③⑧⓪⓪①③⑧⓪⓪⓪。", "①③⑧⓪⓪①③⑧⓪⓪⓪"),
        ("电话𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎。", "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎"),
        ("电话1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣。", "1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣"[:-1]),
        ("电话一三八零零一三八零零零。", "一三八零零一三八零零零"),
        ("电话一三八 零零一三 八零零零。", "一三八 零零一三 八零零零"),
        ("电话幺三八〇〇幺三八〇〇〇。", "幺三八〇〇幺三八〇〇〇"),
        ("电话壹叁捌零零壹叁捌零零零。", "壹叁捌零零壹叁捌零零零"),
        ("电话138零零一三捌000。", "138零零一三捌000"),
        ("电话+86 138-0013-8000。", "+86 138-0013-8000"),
        ("电话008613800138000。", "008613800138000"),
        ("电话010-12345678转123。", "010-12345678转123"),
        ("电话(0755)2345-6789。", "(0755)2345-6789"),
        ("客服400-800-1234。", "400-800-1234"),
        ("call +1 (212) 555-0123 now", "+1 (212) 555-0123"),
        ("call (212) 555-0123 ext. 45 now", "(212) 555-0123 ext. 45"),
        ("call +44 (0)20 7946 0958 now", "+44 (0)20 7946 0958"),
        ("call 0044 20 7946 0958 now", "0044 20 7946 0958"),
        ("ring 07911 123456", "07911 123456"),
        ("tel: 555-0134", "555-0134"),
    ],
)
def test_telephone_numbers_in_every_dress(text, value) -> None:
    assert [v.rstrip("\ufe0f\u20e3") for v, type in found(text) if type == "PHONE"] == [value.rstrip("\ufe0f\u20e3")]


@pytest.mark.parametrize(
    "text",
    [
        "订单号13800138000已发货",
        "流水号：4111111111111111",
        "运单号 13800138000",
        "order no. 13800138000 shipped",
        "invoice 4111111111111111",
        "价格¥13800138000元",
        "合计13800138000.00",
        "市值13800138000亿元",
        "校验位不对的号码620102200812254603无法通过",
        "2024-05-01 12:30:45",
        "时间戳1700000000",
        "人口4741611845285",
        "一九四九年十月一日",
        "三七二十一，一五一十",
        "第3.14159265358979条",
        "x13800138000y",
        "A13800138000",
    ],
)
def test_numbers_that_are_nobodys(text) -> None:
    assert found(text) == []


def test_each_number_has_its_own_label() -> None:
    text = "订单号14155550123，手机13800138000，流水号13900139000，卡号4111111111111111"
    assert found(text) == [("13800138000", "PHONE"), ("4111111111111111", "BANK_CARD")]


@pytest.mark.parametrize(
    ("text", "value", "type"),
    [
        ("NPI: 1234567893", "1234567893", "US_NPI"),
        ("1234567893 is her NPI", "1234567893", "US_NPI"),
        ("routing number 021000021", "021000021", "US_ROUTING"),
        ("SSN 123-45-6789", "123-45-6789", "US_SSN"),
        ("ITIN 912-70-1234", "912-70-1234", "US_ITIN"),
        ("NHS no. 943 476 5919", "943 476 5919", "UK_NHS"),
        ("NINO QQ 12 34 56 C", "QQ 12 34 56 C", "UK_NINO"),
        ("香港身份证A123456(3)", "A123456(3)", "HKID"),
        ("IMEI490154203237518", "490154203237518", "IMEI"),
        ("收款人IBANGB82 WEST 1234 5698 7654 32。", "GB82 WEST 1234 5698 7654 32", "IBAN"),
        ("信用代码 9135 0100 M000 100Y 43", "9135 0100 M000 100Y 43", "CN_USCC"),
        ("老身份证110105491231002", "110105491231002", "CN_ID"),
    ],
)
def test_a_label_before_or_behind_says_what_it_is(text, value, type) -> None:
    assert (value, type) in found(text)


@given(st.text(st.sampled_from("0123456789X一二三四五六七八九零 -.()[]+A"), max_size=80))
def test_places_lie_within_the_text_and_on_the_borders_of_words(text) -> None:
    for start, end, kind, form in _guard.numbers(text, TODAY).tolist():
        assert 0 <= start < end <= len(text)
        assert 0 <= kind < len(KINDS)
        assert 0 <= form <= 2
        for beside in (text[start - 1 : start], text[end : end + 1]):
            assert not (beside.isascii() and beside.isalnum())


@pytest.mark.parametrize(
    "text", ["+一二三四五六七八九", "电话+八六一三八零零一三八零零零", "+零零零零零零零零零", "(+八八八八八八八八八"]
)
def test_international_numbers_in_chinese_numerals_are_read(text) -> None:
    found = Scanner().find(text)
    assert [span.type for span in found] == (["PHONE"] if "八六一三" in text else [])
