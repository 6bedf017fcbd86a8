"""Names of organisations: where they begin, and kinds of organisations that are no names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard import names, organisations
from fathom.guard.page import Lexicon, Page, Shadow

LEXICON = Lexicon(organisations.WORDS)


def found(text: str) -> list[str]:
    page = Page(Shadow(text), LEXICON)
    hits = [f for module in (names, organisations) for f in module.find(page) if f.type == "ORGANISATION"]
    return sorted({page.text[f.start : f.end] for f in hits})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我在北京华创科技有限公司上班", "北京华创科技有限公司"),
        ("他就职于深圳市腾讯计算机系统有限公司，担任工程师", "深圳市腾讯计算机系统有限公司"),
        ("患者在武汉大学中南医院就诊", "武汉大学中南医院"),
        ("开户行中国工商银行杭州西湖支行，卡号", "中国工商银行杭州西湖支行"),
        ("被告江苏恒瑞建设工程有限公司拖欠工资", "江苏恒瑞建设工程有限公司"),
        ("中国平安财产保险股份有限公司北京分公司", "中国平安财产保险股份有限公司北京分公司"),
        ("海淀区教育局发布通知", "海淀区教育局"),
        ("孩子在阳光幼儿园", "阳光幼儿园"),
        ("由成都妇幼保健院转入", "成都妇幼保健院"),
        ("She works for Bluestone Logistics Ltd.", "Bluestone Logistics Ltd"),
        ("an invoice from Acme Tools, Inc. of Ohio", "Acme Tools, Inc."),
        ("The University of Westmere is closed.", "University of Westmere"),
        ("Call Carver & Okoro LLP today", "Carver & Okoro LLP"),
        ("Account Executive, Delmar Freight Inc.", "Delmar Freight Inc."),
        ("He met Anna Bell of Ridgeway Group yesterday", "Ridgeway Group"),
    ],
)
def test_organisations_begin_where_they_begin(text: str, name: str) -> None:
    assert found(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "去人民医院看病，这家医院不错",
        "大学和中学有什么区别",
        "公司公司公司银行医院",
        "用户可以通过银行转账，数据中心和购物中心都在这里",
        "The company and the bank are limited.",
        "our University is a School",
    ],
)
def test_kinds_are_no_names(text: str) -> None:
    assert found(text) == []


@given(st.text(alphabet=st.sampled_from("北京华创科技有限公司银行医院(). ABcLtdIn,&\n\ud800"), max_size=60))
def test_any_text_gives_spans_inside_it(text: str) -> None:
    page = Page(Shadow(text), LEXICON)
    for hit in (*names.find(page), *organisations.find(page)):
        assert 0 <= hit.start < hit.end <= len(page.text)


@pytest.mark.parametrize(
    "unit", ["公司", "阿阿公司", "北京公司", "银行", "学院医", "A Ltd ", "Ab Ltd ", "Ltd ", "Bank of ", "A & "]
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    started = time.process_time()
    found(text)
    assert time.process_time() - started < 1.5
