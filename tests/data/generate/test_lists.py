import pytest

from fathom.data.generate import generate
from fathom.data.generate.lists import _done
from fathom.data.generate.words import table

WORDS = ["pen", "cup", "pen", "ball"]


@pytest.mark.parametrize(
    ("operation", "entries", "expected"),
    [
        ("ascending", ["9", "10", "2"], "2, 9, 10"),
        ("descending", ["9", "10", "2"], "10, 9, 2"),
        ("largest", ["9", "10", "2"], "10"),
        ("smallest", ["9", "10", "2"], "2"),
        ("total", ["9", "10", "2"], "21"),
        ("alphabetical", WORDS, "ball, cup, pen, pen"),
        ("reversed", WORDS, "ball, pen, cup, pen"),
        ("unique", WORDS, "pen, cup, ball"),
        ("count", WORDS, "4"),
        ("nth", WORDS, "cup"),
        ("last", WORDS, "ball"),
        ("remove", WORDS, "pen, pen, ball"),
        ("append", WORDS, "pen, cup, pen, ball, cup"),
        ("json", WORDS, '["pen","cup","pen","ball"]'),
        ("numbered", WORDS, "1. pen\n2. cup\n3. pen\n4. ball"),
    ],
)
def test_jobs_are_done_right(operation, entries, expected) -> None:
    assert _done(operation, entries, ", ", "cup") == expected
    assert operation in table("lists")["ask"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_job_is_asked_for_and_nothing_is_left_to_fill_in(language) -> None:
    examples = list(generate("lists", 600, seed=1, languages=[language]))
    for wordings in table("lists")["ask"].values():
        starts = [w.split("{")[0].lower() for w in wordings[language]]
        assert any(start in e.turns[-2][1].lower() for e in examples for start in starts)
    assert not any("{" in e.turns[-2][1] for e in examples)
