"""The frozen items on language: their form, their balance, and that none is quoted from what the model is taught."""

import json
from collections import Counter
from pathlib import Path

import pytest

from fathom.assets import ASSETS
from fathom.data.clean import plain
from fathom.eval.scorers import CHECKS, score

ROOT = Path(__file__).parents[2]
LANGUAGES = ("zh", "en")
COUNTS = {"minimal_pairs": 100, "intents": 100, "options": 60, "translation": 100, "constraints": 40, "everyday": 50}
FIELDS = {
    "minimal_pairs": {"good": str, "bad": str, "phenomenon": str},
    "intents": {"text": str, "options": list, "answer": str, "prompt": str},
    "options": {"question": str, "options": list, "answer": int},
    "translation": {"source": str, "reference": str, "prompt": str},
    "constraints": {"prompt": str, "check": str, "value": (str, int, list), "reference": str},
    "everyday": {"prompt": str},
}
PASSAGE = 32  # letters and digits


def items(task, language=None):
    lines = (ASSETS / f"eval/{task}.jsonl").read_text("utf-8").splitlines()
    return [item for item in map(json.loads, lines) if language in (None, item["lang"])]


def strings(value):
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in strings(part)]


def passages(text):
    text = plain(text)
    return {text[i : i + PASSAGE] for i in range(len(text) - PASSAGE + 1)}


def is_chinese(text):
    return any("\u3400" <= letter <= "\u9fff" for letter in text)


@pytest.fixture(scope="module")
def taught():
    families = sorted((ROOT / "src/fathom/data/generate").glob("*.toml"))
    lists = [ROOT / "bench/prompts_mini.jsonl", ROOT / "recipes/mini/facts.jsonl"]
    records = [json.loads(line) for path in lists for line in path.read_text("utf-8").splitlines()]
    whole = {plain(text) for record in records for text in strings(record)}
    texts = [path.read_text("utf-8") for path in families]
    assert len(families) > 4
    assert len(whole) > 500
    return whole, set().union(*map(passages, (*texts, *whole)))


@pytest.mark.parametrize("task", COUNTS)
def test_items_have_their_fields_and_no_others(task) -> None:
    for item in items(task):
        assert item.keys() == {"id", "lang", *FIELDS[task]}
        assert all(isinstance(item[name], kind) for name, kind in FIELDS[task].items()), item["id"]
        assert all(text and text == text.strip() for text in strings({k: v for k, v in item.items() if k != "value"}))


@pytest.mark.parametrize("task", COUNTS)
def test_items_are_counted_and_named(task) -> None:
    assert Counter(item["lang"] for item in items(task)) == dict.fromkeys(LANGUAGES, COUNTS[task])
    assert len({item["id"] for item in items(task)}) == 2 * COUNTS[task]


@pytest.mark.parametrize("task", COUNTS)
def test_no_item_comes_twice(task) -> None:
    name = next(iter(FIELDS[task]))
    assert len({plain(item[name]) for item in items(task)}) == 2 * COUNTS[task]


@pytest.mark.parametrize("task", COUNTS)
def test_items_are_in_their_language(task) -> None:
    name = next(iter(FIELDS[task]))
    assert all(is_chinese(item[name]) == (item["lang"] == "zh") for item in items(task))


@pytest.mark.parametrize("task", COUNTS)
def test_no_item_is_quoted_from_what_is_taught(task, taught) -> None:
    whole, known = taught
    for item in items(task):
        texts = strings({name: item[name] for name in FIELDS[task] if name in ("text", "source", "question", "prompt")})
        assert not whole & set(map(plain, texts)), item["id"]
        own = {name: value for name, value in item.items() if (task, name) != ("intents", "prompt")}  # a taught form
        assert not any(known & passages(text) for text in strings(own)), item["id"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sentences_of_a_pair_differ_a_little(language) -> None:
    found = items("minimal_pairs", language)
    assert set(Counter(item["phenomenon"] for item in found).values()) == {10}
    lengths = [(len(item["good"]), len(item["bad"])) for item in found]
    assert all(abs(good - bad) <= 7 for good, bad in lengths)
    assert abs(sum(good - bad for good, bad in lengths)) <= 0.5 * len(found)
    assert all(plain(item["good"]) != plain(item["bad"]) for item in found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_intents_stand_at_all_places_and_in_their_prompts(language) -> None:
    found = items("intents", language)
    places = Counter(item["options"].index(item["answer"]) for item in found)
    assert sorted(places) == list(range(6))
    assert max(places.values()) - min(places.values()) <= 1
    for item in found:
        assert len(set(item["options"])) == 6
        assert all(text in item["prompt"] for text in (item["text"], *item["options"]))
        assert plain(item["answer"]) not in plain(item["text"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_neither_place_nor_length_tells_the_right_option(language) -> None:
    found = items("options", language)
    assert Counter(item["answer"] for item in found) == dict.fromkeys(range(4), 15)
    assert all(len(set(item["options"])) == 4 for item in found)
    for most in (max, min):
        share = 0.0  # right answers of who always takes the longest (shortest), at random among equals
        for item in found:
            lengths = list(map(len, item["options"]))
            chosen = [i for i, length in enumerate(lengths) if length == most(lengths)]
            share += (item["answer"] in chosen) / len(chosen)
        assert 0.2 <= share / len(found) <= 0.3


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_ask_for_the_other_language(language) -> None:
    for item in items("translation", language):
        assert item["source"] in item["prompt"]
        assert item["reference"] not in item["prompt"]
        assert is_chinese(item["reference"]) == (language == "en")
    wordings = {item["prompt"].replace(item["source"], "") for item in items("translation", language)}
    assert len(wordings) > 10


def test_references_satisfy_their_constraints() -> None:
    for item in items("constraints"):
        assert item["check"] in CHECKS
        assert score("constraints", item, item["reference"]) == 1.0, item["id"]


@pytest.mark.parametrize(
    "answer", ["", "Of course! What else can I do for you today?", "好的，没问题。您还需要什么帮助吗？"]
)
def test_an_answer_to_everything_satisfies_few_constraints(answer) -> None:
    assert sum(score("constraints", item, answer) for item in items("constraints")) <= 0.3 * len(items("constraints"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_prose_is_long_and_new(language, taught) -> None:
    text = (ASSETS / f"eval/prose_{language}.txt").read_text("utf-8")
    assert 12_000 < len(text.encode()) < 20_000
    assert is_chinese(text) == (language == "zh")
    assert text == text.strip() + "\n"
    assert not taught[1] & passages(text)
    lines = [line for line in text.splitlines() if line]
    assert len(set(lines)) == len(lines)
