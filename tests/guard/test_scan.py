"""The scanner as a whole: any text, windows, threads, the caller's words and patterns, hostile texts."""

from __future__ import annotations

import gc
import random
import threading
import time
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.guard import context, scan
from fathom.guard.entities import ENTITIES
from fathom.guard.page import Lexicon, Page, Shadow
from fathom.guard.scan import RECOGNISERS, WINDOW, Scanner
from fathom.guard.spans import Span, disjoint

SCANNER = Scanner()


@pytest.mark.parametrize(
    ("text", "value", "type"),
    [
        ("卡号4111111111111111已绑定", "4111111111111111", "BANK_CARD"),
        ("邮箱zhang.san@example.com请查收", "zhang.san@example.com", "EMAIL"),
        ("服务器192.168.1.10宕机", "192.168.1.10", "IP"),
        ("电话13800138000。", "13800138000", "PHONE"),
        ("订单还没收到，请打13800138000。", "13800138000", "PHONE"),
        ("身份证１１０１０５１９４９１２３１００２Ｘ号", "１１０１０５１９４９１２３１００２Ｘ", "CN_ID"),
        ("身份证110105 1949\u200b1231 002x", "110105 1949\u200b1231 002x", "CN_ID"),
    ],
)
def test_a_number_is_found_glued_full_width_spaced_or_with_hidden_characters(text, value, type) -> None:
    assert [(text[s.start : s.end], s.type) for s in SCANNER.find(text)] == [(value, type)]


PIECES = (
    "13800138000", "１３８", "一三八零零", "110105", "19491231002X", " ", "-", "·", ".", "，", "。", "\n", "\u200b",
    "\ufe0f", "\ud800", "电话", "订单号", "密码：", "password=", "微信号", "护照", "Aa1!", "@", "a.cn", "://",
    "?token=", "京A", "12345", "::", "1.2.3.4", "00:1A:2B:3C:4D:5E", "eyJ", "sk-", "-----BEGIN PRIVATE KEY-----",
    "0x", "GB82", "WEST", "4111", "(", ")", "[", "+86", "VAT ", "张三", "北京市", "Mr. Smith ", "字第", " at ",
    "(at)", "⟦PERSON_1⟧", "\U0001f600",
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
@settings(max_examples=400)
def test_any_text_gives_sorted_disjoint_spans_inside_it(text) -> None:
    end = 0
    for span in SCANNER.find(text):
        assert end <= span.start < span.end <= len(text)
        end = span.end


def test_a_finding_across_the_end_of_a_window_is_found_once() -> None:
    for shift in range(14):
        text = "字" * (WINDOW - shift) + "13800138000。" + "字" * 50
        assert [(s.start, s.type) for s in SCANNER.find(text)] == [(WINDOW - shift, "PHONE")]


def test_overlapping_findings_leave_nothing_uncovered() -> None:
    spans = [Span(0, 10, "URL", 0.6), Span(5, 15, "EMAIL", 0.9), Span(20, 22, "IP", 0.5)]
    assert disjoint(spans) == [Span(0, 15, "EMAIL", 0.9), Span(20, 22, "IP", 0.5)]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.integers(1, 40))
@settings(max_examples=200)
def test_windows_find_what_the_whole_finds(text, window) -> None:
    whole = SCANNER.find(text)
    with mock.patch.object(scan, "WINDOW", window):
        assert SCANNER.find(text) == whole


def test_a_scanner_serves_many_threads() -> None:
    text = "电话13800138000，邮箱zhang@example.com，身份证11010519491231002X。" * 50
    expected, wrong = SCANNER.find(text), []

    def work() -> None:
        for _ in range(5):
            if SCANNER.find(text) != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_values_of_the_caller_are_found_in_any_disguise() -> None:
    scanner = Scanner((), dictionary={"Project Neptune": "CUSTOM", "蓝鲸计划": "CUSTOM", "Ann": "PERSON"})
    text = "ｐｒｏｊｅｃｔ neptune与蓝\u200b鲸计划, an announcement by Ann"
    assert [(text[s.start : s.end], s.type, s.score) for s in scanner.find(text)] == [
        ("ｐｒｏｊｅｃｔ neptune", "CUSTOM", 1.0),
        ("蓝\u200b鲸计划", "CUSTOM", 1.0),
        ("Ann", "PERSON", 1.0),
    ]


def test_patterns_of_the_caller_run_in_linear_time_and_bear_lone_surrogates() -> None:
    scanner = Scanner((), patterns={r"EMP-\d{4}": "CUSTOM", "(a|a)*b": "CUSTOM", "x*": "CUSTOM"})
    text = "\ud83d\ude00员工ＥＭＰ－１２３４ xx aab"
    assert [text[s.start : s.end] for s in scanner.find(text)] == ["ＥＭＰ－１２３４", "xx", "aab"]
    scanner.find("a" * 100_000)


@pytest.mark.parametrize(
    "arguments",
    [
        {"patterns": {"(": "CUSTOM"}},
        {"patterns": {r"(?<=a)b": "CUSTOM"}},
        {"patterns": {r"(a)\1": "CUSTOM"}},
        {"patterns": {"a": "NOTHING"}},
        {"dictionary": {"": "CUSTOM"}},
        {"dictionary": {"\u200b": "CUSTOM"}},
        {"dictionary": {"a": "NOTHING"}},
        {"dictionary": {"a" * 5000: "CUSTOM"}},
        {"types": ["NOTHING"]},
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments) -> None:
    with pytest.raises(FathomError) as error:
        Scanner(**arguments)
    assert error.value.code == "parameter_invalid"


def test_what_is_allowed_or_too_weak_or_not_asked_for_is_left() -> None:
    text = "电话13800138000，邮箱zhang@example.com"
    assert [s.type for s in Scanner(allow={"13800138000"}).find(text)] == ["EMAIL"]
    assert Scanner(threshold=0.99).find(text) == []
    assert [s.type for s in Scanner({"PHONE"}).find(text)] == ["PHONE"]
    assert Scanner(()).find(text) == []


#: Texts that make a careless scanner slow; one unit each.
HOSTILE = [
    "1", "0123456789", "1 ", "1-", "@", "a@", "a@b.cc@", "a.", "(", "[]", "\u200b", "1\u200b", "王", "一", "一 二-",
    "13800138000 ", "4111111111111112 ", "110105194912310021 ", "+14155550123 ", "://", "http://a:b@c.d/?token=abcd ",
    "password=", "密码是", "护照", "护照E1234567,", "VAT 12345678901 ", "DE123456789 ", "eyJ", "eyJaaaaaaaaaaaa.",
    "-----BEGIN PRIVATE KEY-----", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb ",
    "0xde0B295669a9FD93d5F28D9Ec85E40f4cb697BAf ", "a:", "::", "12:34:", "aa:bb:", "aa-", "1.2.3.4 ", "京A", "京A1",
    " at ", "a dot ", "a(at)", "微信", "微信号a1b2c3", "sk-", "Bearer ", "字第", "GB82 WEST 1234 ", "电话1234567,",
    "账号 1 2 3 4 ", "ﷺ⑳", "\ud800", "Mr. A ", "张三丰李四", "\n", " ", "😀",
]  # fmt: skip


def _cpu_s(text: str) -> float:
    start = time.thread_time()
    SCANNER.find(text)
    return time.thread_time() - start


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_with_the_length_not_with_its_square(unit) -> None:
    few, many = 4_000, 32_000  # bytes; in one window, where a square would show
    size = len(unit.encode("utf-8", "surrogatepass"))
    short, long = unit * (few // size), unit * (many // size)
    # 8 times the text takes 8 times as long; the square would take 64. Of three tries one may be undisturbed.
    assert any(_cpu_s(long) < 24 * _cpu_s(short) + 0.02 for _ in range(3))


def test_a_long_text_is_read_in_windows_of_bounded_size() -> None:
    text = "都是普通的句子，没有什么特别。\n" * 30_000
    with mock.patch.object(scan, "Shadow", wraps=scan.Shadow) as shadow:
        SCANNER.find(text)
    sizes = [len(call.args[0]) for call in shadow.call_args_list]
    assert len(sizes) > 3
    assert max(sizes) <= scan.BEFORE + WINDOW + scan.LONGEST


def test_random_numbers_are_rarely_somebodys() -> None:
    r = random.Random(3)
    text = "\n".join("".join(r.choices("0123456789", k=r.randint(4, 22))) for _ in range(4000))
    assert len(SCANNER.find(text)) < 160  # mobile and fixed telephone numbers, and cards by Luhn's check


def test_every_type_has_its_recognisers_and_they_find_nothing_else():
    assert frozenset().union(*(module.TYPES for module in RECOGNISERS)) == ENTITIES.keys() - {"CUSTOM"}
    text = (
        "张伟13800138000，京A12345，wang@example.org https://a.cn/?token=abcdef 10.0.0.1 aa:bb:cc:dd:ee:ff，"
        "护照E12345678，身份证号11010519491231002X，卡号4111111111111111，密码：aB3$xyz9，北京市朝阳区建国路88号，1990年3月5日出生，"
        "北纬39.9042，东经116.4074，税号12345678901，微信号zhang_wei1，字第123456号，我是基督徒，患有糖尿病，"
        "Acme Ltd, Mr. John Smith, 12 Main Street, 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    )
    lexicon = Lexicon({name: words for module in (context, *RECOGNISERS) for name, words in module.WORDS.items()})
    page = Page(Shadow(text), lexicon, is_strict=True)
    for module in RECOGNISERS:
        assert {found.type for found in module.find(page)} <= module.TYPES


@pytest.mark.parametrize(
    "unit", ["°", "1°", "度2", "北纬30", "北京市住址1号", "张三住址李四号1室", "+一二三四五六七八九"]
)
def test_words_that_stand_everywhere_cost_what_they_cost_alone(unit):
    """Within one window, too."""

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        gc.disable()  # what else is on pytest's heap is no part of it
        began = time.process_time()
        Scanner().find(text)
        took = time.process_time() - began
        gc.enable()
        return took

    assert seconds(120_000) < 16 * max(seconds(15_000), 0.01)


@pytest.mark.parametrize(("letter", "gap"), [("啊", ""), ("a", ""), ("a", " "), ("啊", "a")])
def test_words_of_the_caller_that_nest_cost_no_more_than_others(letter, gap):
    """300 of them took 24 s and 2 GB for 20,000 characters: each counted at each place."""
    scanner = Scanner(dictionary={letter * n: "CUSTOM" for n in range(1, 500)})
    text = (letter * 400 + gap) * 100
    began = time.process_time()
    spans = scanner.find(text)
    assert time.process_time() - began < 2
    assert sum(span.end - span.start for span in spans) >= len(text) * 0.99 or (letter == "a" and not gap)


def test_of_nested_words_of_the_caller_the_longest_gives_the_type():
    scanner = Scanner(dictionary={"深蓝": "PERSON", "深蓝计划": "CUSTOM", "划": "ACCOUNT", "dark blue": "ORGANISATION"})
    assert [span[:3] for span in scanner.find("深蓝计划和深蓝，Dark Blue")] == [
        (0, 4, "CUSTOM"),
        (5, 7, "PERSON"),
        (8, 17, "ORGANISATION"),
    ]
