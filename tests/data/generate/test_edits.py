import random
import re

import pytest

from fathom.data.generate import generate
from fathom.data.generate.edits import EDITS, ENGLISH
from fathom.data.generate.words import table

MARKS = ".!?。！？"


def letters(text):
    return re.sub(r"[\W_]", "", text).lower()


def sentences(text):
    """Split where a mark ends one: apart from how they were put together."""
    return [s.strip() for s in re.findall(rf"[^{MARKS}]+(?:\.(?!\s|$)[^{MARKS}]*)*[{MARKS}]+|[^{MARKS}]+$", text)]


HOLDS = {  # what is true of a text before and after
    "replace": lambda a, b, f: b == f["u"].join(a.split(f["v"])) and f["v"] not in b,
    "change": lambda a, b, f: f["u"] in b and len(letters(a)) - len(letters(b)) < 40,
    "first": lambda a, b, f: a.startswith(b) and len(b) < len(a),
    "last": lambda a, b, f: a.startswith(b) and len(b) < len(a),
    "brackets": lambda a, b, f: re.sub(r"（[^）]*）| \([^)]*\)(?=\.)", "", a) == b,
    "expand": lambda a, b, f: re.search(r"'\w", a) and not re.search(r"'\w", b) and len(b) > len(a),
    "typos": lambda a, b, f: len(a) - len(b) in range(-6, 7) and letters(a) != letters(b),
    "spaces": lambda a, b, f: letters(a) == letters(b) and "  " not in b and not re.search(r" [.,。]", b),
    "punctuation": lambda a, b, f: letters(a) == letters(b) and all(s[-1] in MARKS for s in b.split("\n")),
    "sort": lambda a, b, f: sorted(a.split("\n")) == sorted(b.split("\n")),
    "lines": lambda a, b, f: letters(a) == letters(b) and b.count("\n") > 0 == a.count("\n"),
    "merge": lambda a, b, f: letters(a) == letters(b) and a.count("\n") > 0 == b.count("\n"),
    "capitals": lambda a, b, f: a.lower() == b.lower() and not re.search("[a-z]", b),
    "small": lambda a, b, f: a.lower() == b.lower() and not re.search("[A-Z]", b),
    "append": lambda a, b, f: b.removeprefix(a).strip() == f["u"],
    "prepend": lambda a, b, f: b.removesuffix(a).strip() == f["u"],
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", sorted(EDITS))
def test_what_is_done_is_what_the_kind_of_edit_says(kind, language) -> None:
    made = [edit for seed in range(120) if (edit := EDITS[kind](random.Random(seed), language))]
    if language == "zh" and kind in ENGLISH:
        return
    changed = [edit for edit in made if edit.before != edit.after]
    assert len(changed) > 40
    for before, after, fields in changed:
        assert after.strip() == after
        assert not re.search("[{}]", before + after)
        if kind in HOLDS:
            assert HOLDS[kind](before, after, fields), (before, after)


def test_order_and_length_are_right() -> None:
    for seed in range(100):
        for language in ("zh", "en"):
            before, after, _ = EDITS["first"](random.Random(seed), language)
            assert sentences(before)[0] == after
            before, after, _ = EDITS["last"](random.Random(seed), language)
            assert sentences(before)[:-1] == sentences(after)
        lines = EDITS["sort"](random.Random(seed), "zh").after.split("\n")
        numbers = [int(re.match(r"\d+", line)[0]) for line in lines]
        assert numbers == sorted(set(numbers))
        lines = EDITS["sort"](random.Random(seed), "en").after.split("\n")
        assert lines == sorted(lines, key=str.casefold)


def test_tones_come_from_the_table_both_ways() -> None:
    for seed in range(50):
        formal, casual = EDITS["formal"](random.Random(seed), "en"), EDITS["casual"](random.Random(seed), "en")
        assert formal[:2] == casual[1::-1]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_wrong_word_of_the_table_is_written_and_mended(language) -> None:
    texts = table("edits")["typos"]
    for wrong, right in texts[language]:
        assert sum(wrong in sentence for sentence in texts[f"{language}_sentences"]) == 1, wrong
        assert wrong not in right


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_reply_is_the_text_alone_and_requests_are_worded_in_many_ways(language) -> None:
    for example in generate("edits", 300, seed=1, languages=[language]):
        assert example.turns[-1][1] == example.answer
        assert not re.search(r"{\w+}", example.turns[-2][1])
    for kind in EDITS:
        if language == "en" or kind not in ENGLISH:
            asks = table("edits")["ask"][kind][language]
            assert len(set(asks)) >= 12
            assert all("{u}" in ask for ask in asks) is (kind in ("replace", "change", "append", "prepend"))
