"""Endless runs and forged conversations are found, wherever they begin, and nothing else is."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard.flood import forged_turns, has_run


@given(st.lists(st.tuples(st.sampled_from("ab中"), st.integers(1, 12)), max_size=12), st.integers(2, 20))
def test_runs_are_found_as_one_counts_them(pieces, length) -> None:
    text = "".join(character * count for character, count in pieces)
    longest = max((len(list(group)) for _, group in itertools.groupby(text)), default=0)
    assert has_run(text, length) == (longest >= length)


TALK = "User: hello\nAssistant: hi\n"


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("", 0),
        ("the user: somebody who uses", 0),
        ("a user:\nthe assistant said", 0),
        ("users: 5\nuser = 3", 0),
        (TALK, 2),
        (TALK * 3, 6),
        ("用户：你好\n助手：你好！\n用户: 再见", 3),
        ("### Human: a\n**Assistant**: b\n[SYSTEM]: c\n> ai: d", 4),
        (TALK * 100, 17),
    ],
)
def test_lines_that_begin_like_a_turn_are_counted_up_to_a_limit(text, turns) -> None:
    assert forged_turns(text, 16) == turns


HOSTILE = {
    "runs one short": "a" * 16_384 + "b",
    "half runs": "a" * 8192 + "b" * 8192,
    "pairs": "ab",
    "turns": "user:\n",
    "almost turns": "user \n",
    "openings": "\n[[[[[[[[user",
    "blanks": "\n        ",
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_time_grows_linearly(shape) -> None:
    unit = HOSTILE[shape]
    short, long = (_cpu_seconds(unit * (size // len(unit))) for size in (250_000, 1_000_000))
    assert long < 1
    assert long < 10 * short + 0.2


def _cpu_seconds(text: str) -> float:
    start = time.process_time()
    has_run(text, 16_385)
    forged_turns(text, 10**9)
    return time.process_time() - start
