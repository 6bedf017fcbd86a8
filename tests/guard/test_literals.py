"""Strings found in a text: the longest at the leftmost place, also while the text still comes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom._guard import Literals

ALPHABET = "ab张\ud800𠮷\0"
WORDS = st.lists(st.text(ALPHABET, min_size=1, max_size=6), max_size=8)


def literals(words: list[str]) -> Literals:
    made = Literals()
    for word in words:
        made.add(word)
    return made


def plain_twin(words: list[str], text: str) -> list[tuple[int, int]]:
    places, place = [], 0
    while place < len(text):
        word = max((word for word in words if text.startswith(word, place)), key=len, default="")
        if word:
            places.append((place, place + len(word)))
        place += len(word) or 1
    return places


@given(WORDS, st.text(ALPHABET, max_size=40))
def test_places_are_those_of_the_plain_twin(words, text):
    assert literals(words).find(text) == (plain_twin(words, text), len(text))


@given(WORDS, st.text(ALPHABET, max_size=20), st.text(ALPHABET, max_size=20))
def test_what_is_said_of_a_beginning_holds_of_the_whole(words, text, more):
    found, stop = literals(words).find(text, open=True)
    whole = plain_twin(words, text + more)
    assert whole[: len(found)] == found
    assert all(start >= stop for start, _ in whole[len(found) :])


@given(WORDS, st.text(ALPHABET, max_size=20))
def test_it_stops_only_where_a_longer_word_may_come(words, text):
    _, stop = literals(words).find(text, open=True)
    assert stop == len(text) or any(word.startswith(text[stop:]) and len(word) > len(text) - stop for word in words)


@given(WORDS, st.text(ALPHABET, max_size=40))
def test_words_that_stand_anywhere(words, text):
    distinct = list(dict.fromkeys(words))
    assert {distinct[number] for number in literals(words).occurring(text)} == {word for word in words if word in text}


def test_it_grows_and_counts_each_word_once():
    made = literals(["a", "ab", "a", ""])
    assert len(made) == 2
    for number in range(5000):
        made.add(f"⟦PERSON_{number}⟧")
    assert len(made) == 5002
    assert made.find("x⟦PERSON_4999⟧ab")[0] == [(1, 14), (14, 16)]


@pytest.mark.parametrize("text", ["a", "ab", "张", "⟦"])
def test_a_megabyte_of_near_misses_takes_a_moment(text):
    made = literals([text[0] * length + "!" for length in range(1, 64)])
    began = time.process_time()
    made.find(text * (1_000_000 // len(text)))
    assert time.process_time() - began < 2  # a quarter of it on a quiet machine
