from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard.scan import WINDOW, Scanner
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


@given(st.text(st.sampled_from("13800@.cn \u200b１二〇X-⟦\ud800"), max_size=60))
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
