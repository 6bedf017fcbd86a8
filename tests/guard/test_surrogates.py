"""Values of the same shape: checksums hold, separators and widths stay, nothing equals what is there already."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban, imei, luhn
from stdnum.cn import ric, uscc
from stdnum.gb import nhs
from stdnum.us import rtn

from fathom.guard import Masker, Vault
from fathom.guard.entities import ENTITIES
from fathom.guard.surrogates import assign, surrogate

SHAPES = {
    ("PERSON", "张三丰"): r"[\u4e00-\u9fff]{3}",
    ("PERSON", "Ann O'Neil"): r"[A-Z][a-z]+ [A-Z][a-z]+",
    ("ORGANISATION", "海河数据科技有限公司"): r"[\u4e00-\u9fff]{4}科技有限公司",
    ("ORGANISATION", "Foo Bar, Inc."): r"[A-Z][a-z]+ [A-Z][a-z]+, Inc\.",
    ("ADDRESS", "北京市海淀区中关村大街27号3号楼"): r"..市..区..村.街\d\d号\d号楼",
    (
        "ADDRESS",
        "221B Baker Street, London NW1 6XE",
    ): r"\d{3}[A-Z] [A-Z][a-z]+ Street, [A-Z][a-z]+ [A-Z]{2}\d \d[A-Z]{2}",
    ("BIRTH_DATE", "1990年1月2日"): r"19[01]\d年[1-9]月[1-9]日",
    ("BIRTH_DATE", "02/03/1990"): r"(0\d|1[0-2])/(0\d|1[0-2])/19[01]\d",
    ("BIRTH_DATE", "19900102"): r"19[01]\d{5}",
    ("GEO", "39.9042,116.4074"): r"\d\d\.\d{4},\d\d\.\d{4}",
    ("PHONE", "+86 138-0013-8000"): r"\+86 138-0000-\d{4}",
    ("PHONE", "(415) 555-2671"): r"\(\d{3}\) 555-01\d\d",
    ("PHONE", "+44 7911 123456"): r"\+44 7700 900\d{3}",
    ("EMAIL", "zhang.san99@mail.qq.com"): r"[a-z]{5}\.[a-z]{3}\d\d@example\.com",
    ("URL", "https://u:p@a.cn/x?token=abc1"): r"https://[a-z]:[a-z]@example\.com/[a-z]\?[a-z]{5}=[a-z]{3}\d",
    ("IP", "10.0.0.1"): r"192\.0\.2\.\d+",
    ("IP", "fe80::1"): r"2001:db8::[0-9a-f]+",
    ("MAC", "a0-b1-c2-d3-e4-f5"): r"00-00-5[eE]-00-53-[0-9a-fA-F]{2}",
    ("HKID", "A123456(3)"): r"[A-Z]\d{6}\([0-9A]\)",
    ("US_SSN", "123-45-6789"): r"666-\d\d-\d{4}",
    ("US_ITIN", "900-70-1234"): r"9\d\d-93-\d{4}",
    ("UK_NINO", "ab 12 34 56 c"): r"qq \d\d \d\d \d\d [a-d]",
    ("CN_PLATE", "粤B·D12345"): r"粤O·[A-K]\d{5}",
    ("SECRET", "sk-abcDEF123"): r"[a-z]{2}-[a-z]{3}[A-Z]{3}\d{3}",
    ("PASSPORT", "Ｅ12345678"): r"[Ａ-Ｚ]\d{8}",
    ("HEALTH", "糖尿病"): r"[\u4e00-\u9fff]{3}",
    ("BANK_ACCOUNT", "一二三 456"): r"[一二三四五六七八九]{3} \d{3}",
}
VALID = {
    ("CN_ID", "11010519491231002X"): ric.is_valid,
    ("DRIVER_LICENCE", "11010519491231002x"): ric.is_valid,
    ("CN_USCC", "91350100M000100Y43"): uscc.is_valid,
    ("BANK_CARD", "4111 1111 1111 1111"): luhn.is_valid,
    ("BANK_CARD", "6222021234567890128"): luhn.is_valid,
    ("IMEI", "490154203237518"): imei.is_valid,
    ("IBAN", "GB82 WEST 1234 5698 7654 32"): lambda value: iban.is_valid(value, check_country=False),
    ("UK_NHS", "943 476 5919"): nhs.is_valid,
    ("US_ROUTING", "021000021"): rtn.is_valid,
    ("US_NPI", "1234567893"): lambda value: luhn.is_valid("80840" + value),
}


@pytest.mark.parametrize("type_and_value", SHAPES, ids=" ".join)
def test_the_shape_stays(type_and_value):
    for number in range(1, 40):
        made = surrogate(*type_and_value, number)
        assert re.fullmatch(SHAPES[type_and_value], made), made


@pytest.mark.parametrize("type_and_value", VALID, ids=" ".join)
def test_the_checksum_holds(type_and_value):
    for number in range(1, 40):
        made = surrogate(*type_and_value, number)
        assert VALID[type_and_value](made.replace(" ", "")), made
        assert [c == " " for c in made] == [c == " " for c in type_and_value[1]]


def test_check_digits_without_a_library_are_those_of_known_numbers():
    """A123456(3) and 1M8GDM9AXKP042788 are valid; so is what is made by the same rule."""

    def hkid(value: str) -> int:
        worth = [36, *(ord(c) - 55 if c.isalpha() else int(c) for c in value[:-1])]
        return (
            sum(w * e for w, e in zip(range(9, 1, -1), worth, strict=True))
            + (10 if value[-1] == "A" else int(value[-1]))
        ) % 11

    def vin(value: str) -> int:
        letters = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
        worth = [letters[c] if c.isalpha() else int(c) for c in value]
        weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
        return sum(w * e for w, e in zip(weights, worth, strict=True)) % 11 - (10 if value[8] == "X" else int(value[8]))

    assert hkid("A1234563") == vin("1M8GDM9AXKP042788") == 0
    for number in range(1, 40):
        assert hkid(surrogate("HKID", "Z987654A", number)) == 0
        assert vin(surrogate("VIN", "1M8GDM9AXKP042788", number)) == 0


@given(st.sampled_from([*ENTITIES]), st.text(), st.integers(1, 10**6))
def test_any_value_of_any_type_gives_another_one_or_none(type, value, number):
    made = surrogate(type, value, number)
    assert made != value
    assert made == surrogate(type, value, number)


@given(st.sampled_from([*ENTITIES]), st.sampled_from([value for _, value in [*SHAPES, *VALID]]), st.integers(1, 10**6))
def test_no_maker_stumbles_over_a_value_of_another_kind(type, value, number):
    assert surrogate(type, value, number) != value


def test_what_stands_in_the_texts_is_not_taken():
    first = surrogate("PHONE", "13912345678", 1)
    vault = Vault()
    assign([("PHONE", "13912345678")], ["电话", f"13912345678 {first}"], vault)
    assert vault.surrogate("PHONE", "13912345678") == surrogate("PHONE", "13912345678", 2)


def test_two_values_have_two_surrogates_and_none_is_a_value():
    vault = Vault()
    values = [("PERSON", a + b) for a in "赵钱孙李周" for b in "安柏晨初丹恩帆谷禾嘉凯岚明宁朋启然善棠维"]
    for value in values:
        vault.note(*value)
    assign(values, [], vault)
    made = [vault.surrogate(*value) for value in values]
    assert len(set(made)) == len(made) == 100
    assert not set(made) & {value for _, value in values}


WORDS = {
    "张三": "PERSON",
    "张三丰": "PERSON",
    "Al": "PERSON",
    "⟦x⟧": "CUSTOM",
    "a\ud800": "CUSTOM",
    "1": "CUSTOM",
    "12": "ACCOUNT",
}
PIECES = [
    *WORDS,
    "李四",
    "周恩",
    "2",
    "3",
    "⟦CUSTOM_1⟧",
    "13812345678",
    "13800000001",
    "13800000002",
    "zhang@a.cn",
    "192.0.2.2",
    " ",
]
MASKER = Masker(operator="surrogate", dictionary=WORDS)
HOSTILE = st.one_of(st.lists(st.sampled_from(PIECES)).map("".join), st.text("0123456789张三丰⟦⟧"), st.text())


@given(HOSTILE)
def test_what_surrogates_mask_comes_back(text):
    masked = MASKER.mask(text)
    assert MASKER.unmask(masked.text, masked.vault) == text


@given(st.lists(HOSTILE, max_size=5))
def test_texts_masked_together_come_back(texts):
    masked = MASKER.mask_all(texts)
    assert [MASKER.unmask(one.text, one.vault) for one in masked] == texts


@given(HOSTILE)
def test_operators_of_both_kinds_go_together(text):
    masker = Masker(operator={"PHONE": "surrogate", "PERSON": "placeholder", "CUSTOM": "surrogate"}, dictionary=WORDS)
    masked = masker.mask(text)
    assert masker.unmask(masked.text, masked.vault) == text


def test_a_later_text_that_holds_a_surrogate_comes_back():
    vault = Vault()
    first = MASKER.mask("我的电话13812345678", vault)
    later = f"不是{first.text[-11:]}吗"
    masked = MASKER.mask(later, vault)
    assert MASKER.unmask(masked.text, vault) == later


def test_too_long_or_unchangeable_values_get_a_placeholder():
    masker = Masker(operator="surrogate", patterns={"#+|k{65,}": "SECRET"})
    assert masker.mask("## " + "k" * 80).text == "⟦SECRET_1⟧ ⟦SECRET_2⟧"
