"""Numbers with a label and a wrong check digit: left by default, masked where strictness is asked for."""

from __future__ import annotations

import gc
import time

import pytest

from fathom.guard import Masker, Scanner

USUAL, STRICT = Scanner(), Scanner(strict=True)

TYPOS = [
    ("身份证号", "110105194912310021", "CN_ID"),
    ("身份证号码是：", "11010519491331002X", "CN_ID"),  # a month 13
    ("ID number: ", "110105 19491231 0021", "CN_ID"),
    ("卡号", "6222021234567890123", "BANK_CARD"),
    ("card number: ", "4111 1111 1111 1112", "BANK_CARD"),
    ("统一社会信用代码：", "91110000600037341M", "CN_USCC"),
    ("IBAN: ", "GB83 WEST 1234 5698 7654 32", "IBAN"),
    ("IMEI ", "490154203237519", "IMEI"),
    ("VIN: ", "1M8GDM9AXKPO42788", "VIN"),
    ("HKID: ", "A123456(4)", "HKID"),
    ("NHS number: ", "943 476 5918", "UK_NHS"),
    ("NPI: ", "1234567890", "US_NPI"),
    ("SSN: ", "666-12-3456", "US_SSN"),
    ("ITIN: ", "912-34-5678", "US_ITIN"),
    ("routing number: ", "021000022", "US_ROUTING"),
    ("national insurance: ", "AB 12 34 56 Z", "UK_NINO"),
    ("CNPJ: ", "11.222.333/0001-82", "TAX_ID"),
]


@pytest.mark.parametrize(("label", "number", "type"), TYPOS)
def test_a_typo_is_masked_only_where_strictness_is_asked_for(label, number, type):
    text = f"{label}{number}，请核对。"
    place = (len(label), len(label) + len(number), type)
    assert place in [span[:3] for span in STRICT.find(text)]
    assert place not in [span[:3] for span in USUAL.find(text)]


@pytest.mark.parametrize(
    "text",
    [
        "订单110105194912310021",
        "4111 1111 1111 1112",
        "订单号4111111111111112已发货",
        "身份证号请在到店时出示，共 12 位客人",
        "card number of 1990",
        "The IBAN is on page 12 of the manual",
        "ABA basketball 2024",
    ],
)
def test_without_its_label_or_shape_it_stays(text):
    assert STRICT.find(text) == USUAL.find(text) == []


@pytest.mark.parametrize(("label", "number", "type"), TYPOS)
def test_strictness_takes_nothing_away(label, number, type):
    good = "身份证号11010519491231002X，卡号4111111111111111，IBAN: GB82 WEST 1234 5698 7654 32"
    text = f"{good}，{label}{number}"
    strict = STRICT.find(text)
    for span in USUAL.find(text):
        assert any(other.start <= span.start and span.end <= other.end for other in strict)


def test_a_masker_passes_it_on():
    assert Masker(strict=True).mask("卡号4111111111111112").text == "卡号⟦BANK_CARD_1⟧"


@pytest.mark.parametrize(
    "text", ["身份证号1", "IBAN GB82 ", "card number ", "HKID A", "0-1 ", "VIN 1M8GDM9AXKPO42788 "]
)
def test_time_grows_with_the_text_and_no_faster(text):
    def seconds(size: int) -> float:
        whole = text * (size // len(text))
        gc.disable()  # what else is on pytest's heap is no part of it
        began = time.process_time()
        STRICT.find(whole)
        took = time.process_time() - began
        gc.enable()
        return took

    assert seconds(160_000) < 20 * max(seconds(16_000), 0.01)
