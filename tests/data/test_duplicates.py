import random

from fathom.data.duplicates import Contamination, Duplicates

WORDS = ("river", "boat", "fish", "salt", "hill", "sea", "day", "small", "carry", "along", "every", "from", "wind")


def text(seed, words=150):
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) + str(draw.randint(0, 99)) for _ in range(words))


def test_exact_duplicates_are_found_whatever_their_case_and_punctuation() -> None:
    seen = Duplicates()
    assert seen.kind("Hello, world.", 0) is None
    assert seen.kind("hello world", 0) == "duplicate"
    assert seen.kind("hello worlds", 0) is None


def test_near_duplicates_are_found_and_others_kept() -> None:
    seen = Duplicates()
    originals = [text(i) for i in range(50)]
    assert [seen.kind(t, 0.7) for t in originals] == [None] * 50
    changed = [t.replace(t.split()[70], "another", 1) for t in originals]
    assert [seen.kind(t, 0.7) for t in changed].count("near duplicate") >= 48
    halves = [" ".join(t.split()[:75]) + " " + text(i + 1000, 75) for i, t in enumerate(originals)]
    assert [seen.kind(t, 0.7) for t in halves].count("near duplicate") == 0


def test_chinese_near_duplicates_are_found() -> None:
    seen = Duplicates()
    page = "".join(chr(0x4E00 + random.Random(3).randint(0, 5000) + i % 97) for i in range(300))
    assert seen.kind(page, 0.7) is None
    assert seen.kind(page[:150] + "改" + page[150:], 0.7) == "near duplicate"


def test_short_and_empty_texts_have_no_near_duplicates() -> None:
    seen = Duplicates()
    assert [seen.kind(t, 0.7) for t in ("", "a", "你好", "ab")] == [None] * 4


def test_a_long_text_is_compared_by_a_sample_of_its_runs() -> None:
    seen = Duplicates()
    long = text(1, 20_000)
    assert seen.kind(long, 0.7) is None
    assert seen.kind(long + " end", 0.7) == "near duplicate"


def test_quoted_evaluation_material_is_seen() -> None:
    evaluation = Contamination()
    page = text(5)
    evaluation.add_passages(page)
    assert evaluation.shares("Before it. " + page[200:420].upper() + " After it.")
    assert not evaluation.shares(text(6))
    assert not evaluation.shares("")


def test_a_question_is_seen_however_it_is_typed_and_a_part_of_it_is_not() -> None:
    evaluation = Contamination()
    assert not evaluation.shares(text(1))
    evaluation.add("How do I boil an egg?")
    assert evaluation.asked("how do i boil an egg")
    assert not evaluation.asked("How do I boil")
