"""The shadow against a plain twin by unicodedata; the lexicon against str.find."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom import _guard
from fathom.guard.page import Found, Lexicon, Shadow


def test_every_digit_and_letter_in_disguise_reads_as_nfkc_says() -> None:
    wrong = []
    for code in [*range(0xA0, 0x3400), *range(0xFF00, 0xFFF0), *range(0x1D7CE, 0x1D800), *range(0x1FBF0, 0x1FBFA)]:
        character = chr(code)
        plain = unicodedata.normalize("NFKC", character)
        if re.fullmatch("[0-9]{1,2}", plain) and Shadow(character).text != plain:
            wrong.append(character)
    assert wrong == []


@pytest.mark.parametrize("code", [*range(0xFF01, 0xFF5F), 0x3000, 0x24B6, 0x24E9, 0x1D400, 0x1D433, 0x1D670])
def test_full_width_circled_and_mathematical_characters_are_plain(code) -> None:
    assert Shadow(chr(code)).text == unicodedata.normalize("NFKC", chr(code))


@pytest.mark.parametrize("hidden", "\u200b\u200d\u2060\ufeff\u00ad\u202e\u180e\ufe0f\U000e0041\u0336\u20e3")
def test_what_nobody_sees_is_gone_and_its_place_is_kept(hidden) -> None:
    shadow = Shadow(f"a1{hidden}2b")
    assert shadow.text == "a12b"
    span = shadow.span(Found(1, 3, "PHONE", 1.0), base=10)
    assert (span.start, span.end) == (11, 14)


def test_dashes_and_middle_dots_are_of_one_kind() -> None:
    assert Shadow("1‐2–3—4−5").text == "1-2-3-4-5"
    assert Shadow("a•b・c‧d･e").text == "a·b·c·d·e"


@given(st.text(st.characters(codec=None), max_size=40))
def test_every_place_of_the_shadow_leads_into_the_original(text) -> None:
    shadow = Shadow(text)
    last = 0
    for i in range(len(shadow.text)):
        span = shadow.span(Found(i, i + 1, "PHONE", 1.0))
        assert last <= span.start < span.end <= len(text)
        last = span.start


@given(st.lists(st.text("ab一二", min_size=1, max_size=3), max_size=6, unique=True), st.text("abAB一二三", max_size=30))
def test_the_lexicon_finds_what_str_find_finds(words, text) -> None:
    hits = Lexicon({"all": words}).find(text).get("all", [])
    expected = {
        (at, at + len(word), i)
        for i, word in enumerate(words)
        for at in range(len(text))
        if text.lower().startswith(word, at)
    }
    assert sorted(hits) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("card", True),
        ("CARDS here", True),
        ("discard", False),
        ("cardigan", False),
        ("bankCard", True),
        ("卡card号", True),
        ("x_card_1", True),
        ("card4111", True),
        ("cardGB82", True),
        ("4card", False),
    ],
)
def test_whole_words_do_not_count_within_longer_ones(text, found) -> None:
    assert bool(Lexicon({"own": ["card"]}, whole={"own"}).find(text)) is found


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        _guard.Automaton(["a"], [1, 2], [True])
    with pytest.raises(ValueError, match="40"):
        _guard.eip55("ab")
