"""Streamed text adds up to the whole, shows no broken character and nothing of a stop string."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from fathom.text.detokenize import Detokenizer, StopChecker

ids = st.lists(st.integers(0, tiny.VOCAB_SIZE - 1))


@given(ids)
def test_pieces_add_up_to_the_decoding_of_the_whole(tokens: list[int]) -> None:
    detokenizer = Detokenizer(tiny.tokenizer())
    pieces = [detokenizer.push(token) for token in tokens]
    assert "".join(pieces) + detokenizer.flush() == tiny.tokenizer().decode(tokens)


@settings(max_examples=50)
@given(st.text())
def test_valid_text_never_shows_a_replacement_character_on_its_way(text: str) -> None:
    tokenizer = tiny.tokenizer()
    detokenizer = Detokenizer(tokenizer)
    streamed = "".join(detokenizer.push(token) for token in tokenizer.encode(text))
    assert streamed == text
    assert detokenizer.flush() == ""


def test_a_character_of_three_bytes_appears_with_its_last_one() -> None:
    tokenizer = tiny.tokenizer()
    single = {tokenizer.token_bytes(i): i for i in range(tokenizer.vocab_size) if len(tokenizer.token_bytes(i)) == 1}
    detokenizer = Detokenizer(tokenizer)
    assert [detokenizer.push(single[bytes([b])]) for b in "好".encode()] == ["", "", "好"]
    detokenizer.push(single["好".encode()[:1]])
    assert detokenizer.push(tokenizer.encode("t")[0]) == "\ufffdt"
    detokenizer.push(single["好".encode()[:1]])
    assert detokenizer.flush() == "\ufffd"


def test_control_tokens_are_left_out_but_for_those_asked_for() -> None:
    detokenizer = Detokenizer(tiny.tokenizer(), shown={9})
    assert [detokenizer.push(i) for i in (0, 9, 3)] == ["", "<｜tool▁sep｜>", ""]


pieces = st.lists(st.text("abc", max_size=4))
stops = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3)


def cut(text: str, stops: list[str]) -> str:
    """The text before the stop string that is complete first."""
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    return text[: min(ends)[1]] if ends else text


@given(pieces, stops)
def test_a_stream_is_cut_where_the_whole_text_is(pieces: list[str], stops: list[str]) -> None:
    checker = StopChecker(stops)
    shown = [checker.push(piece) for piece in pieces]
    stopped = checker.matched is not None
    assert "".join(shown) + checker.flush() == cut("".join(pieces), stops)
    assert stopped == any(stop in "".join(pieces) for stop in stops)


@given(pieces, stops)
def test_what_is_held_back_could_still_become_a_stop_string(pieces: list[str], stops: list[str]) -> None:
    checker = StopChecker(stops)
    for piece in pieces:
        checker.push(piece)
    if checker.matched is None:
        held = checker.flush()
        assert not held or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize("text", ["one\n\ntwo", "one\n", "\n\n"])
def test_a_stop_string_over_several_pieces(text: str) -> None:
    checker = StopChecker(("\n\n",))
    shown = "".join(checker.push(letter) for letter in text) + checker.flush()
    assert shown == text.split("\n\n")[0]
    assert all(not (a == "\n" and b == "\n") for a, b in pairwise(shown))
