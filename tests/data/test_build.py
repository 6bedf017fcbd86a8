import json
import random

import pytest

from fathom.assets import ASSETS
from fathom.data.build import build
from fathom.data.recipe import Recipe, Source
from fathom.data.tokens import load_sets
from fathom.errors import FathomError
from fathom.text.tokenizer import Tokenizer

MINI = ASSETS / "mini"
WORDS = ("river", "boat", "fish", "salt", "hill", "sea", "carry", "along", "stone", "light", "wind", "bread", "garden")


def page(number):
    draw = random.Random(number)
    return " ".join(draw.choice(WORDS) + draw.choice(WORDS) for _ in range(40)) + "."


def talk(question, answer):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], "lang": "en"}


def source(name, *files, **more):
    return Source(name, files, "CC0", "a test", **more)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()

    def put(name, records):
        (folder / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")

    put("pages.jsonl", [{"text": page(i)} for i in range(60)])
    put("again.jsonl", [{"text": page(3).upper()}, {"text": "too short"}, {"text": "12 34 " * 40}])
    put("quotes.jsonl", [talk("Read it: " + page(i), "Done.") for i in range(60)])
    put("chat.jsonl", [talk("Hi", "Hello!"), talk("Why?", "因为。"), talk("How do I boil an egg?", "Six minutes.")])
    put("prompts.jsonl", [{"prompt": "how do I boil an egg"}])
    return folder


def text_of(one):
    tokenizer = Tokenizer.load(MINI)
    return [tokenizer.decode(one.tokens[a:b].tolist()) for a, b in zip(one.offsets[:-1], one.offsets[1:], strict=True)]


def made(recipe, data, tmp_path, name="out"):
    return build(recipe, [data], MINI, tmp_path / name)


def test_sets_hold_what_no_filter_left_out_and_the_card_says_why(data, tmp_path) -> None:
    sources = (
        source("pages", "pages.jsonl", language="en"),
        source("pages", "again.jsonl", language="en"),
        source("chat", "chat.jsonl", form="messages", language="en", strict=True),
    )
    sets = made(Recipe("test", sources, against=("prompts.jsonl",)), data, tmp_path)
    assert text_of(sets["pages"]) == [page(i) for i in range(60)]
    assert sets["pages"].loss is None
    assert text_of(sets["chat"]) == ["HiHello!"]
    card = json.loads((tmp_path / "out" / "card.json").read_text("utf-8"))
    assert [s["left_out"] for s in card["sources"]] == [
        {},
        {"duplicate": 1, "too short": 1, "few letters": 1},
        {"other language": 1, "evaluation": 1},
    ]
    assert card["sets"]["pages"]["tokens"] == len(sets["pages"])
    assert "| pages | a test | CC0 | text | 60 |" in (tmp_path / "out" / "CARD.md").read_text("utf-8")


def test_the_content_of_evaluation_items_is_kept_out_but_not_the_words_that_put_it(data, tmp_path) -> None:
    wording = "Which of the following intents does this message have? Choose one: {}"
    said = "the kettle arrived without its lid, the box was torn open and nobody answers my calls"
    items = (
        {"text": said, "prompt": wording.format(said)},
        {"messages": [{"role": "user", "content": "Wake me at seven"}], "name": "alarm"},
        {"prompt": "Add up", "answer": "59"},
    )
    talks = (
        talk(wording.format("my parcel is late"), "track"),
        talk(wording.format(said.title()), "complaint"),
        talk("wake me at seven", "Done."),
        talk("5 + 9 = ?", "14"),
    )
    for name, records in (("items.jsonl", items), ("talks.jsonl", talks)):
        (data / name).write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    against = ("items.jsonl", "prompts.jsonl")
    made(Recipe("test", (source("talks", "talks.jsonl", form="messages"),), against=against), data, tmp_path)
    kept = text_of(load_sets(tmp_path / "out")["talks"])
    assert kept == [wording.format("my parcel is late") + "track", "5 + 9 = ?14"]


def test_absolute_paths_are_taken_as_they_are(data, tmp_path) -> None:
    pages = source("pages", str(data / "pag*.jsonl"))
    sets = build(Recipe("test", (pages,), against=(str(data / "prompts.jsonl"),)), [], MINI, tmp_path / "out")
    assert sets["pages"].documents == 60
    missing = source("pages", str(data / "none.jsonl"))
    with pytest.raises(FathomError, match=r"none\.jsonl: no such file"):
        build(Recipe("test", (missing,)), [data], MINI, tmp_path / "other")


def test_held_out_documents_are_in_no_training_set_not_even_quoted(data, tmp_path) -> None:
    sources = (
        source("pages", "pages.jsonl", held_out=7, held_set="held"),
        source("quotes", "quotes.jsonl", form="messages"),
    )
    sets = made(Recipe("test", sources), data, tmp_path)
    held = text_of(sets["held"])
    assert len(held) == 7
    assert sets["held"].meta["bytes"] == sum(len(t.encode()) for t in held)
    assert not set(held) & set(text_of(sets["pages"]))
    assert len(text_of(sets["pages"])) == 53
    assert not [q for q in text_of(sets["quotes"]) if any(page in q for page in held)]
    assert len(text_of(sets["quotes"])) == 53


def test_the_same_recipe_and_files_give_the_same_sets(data, tmp_path) -> None:
    recipe = Recipe("test", (source("pages", "pages.jsonl", keep=0.5, held_out=3, held_set="held"),), seed=4)
    one, two = made(recipe, data, tmp_path, "one"), made(recipe, data, tmp_path, "two")
    assert {n: s.hash for n, s in one.items()} == {n: s.hash for n, s in two.items()}
    assert 15 < one["pages"].documents < 45
    other = made(Recipe("test", recipe.source, seed=5), data, tmp_path, "three")
    assert other["pages"].hash != one["pages"].hash
    assert load_sets(tmp_path / "one").keys() == one.keys()


def test_fields_choose_records(data, tmp_path) -> None:
    chosen = source("chat", "chat.jsonl", form="messages", where={"lang": ("zh",)})
    with pytest.raises(FathomError, match="no document"):
        made(Recipe("test", (chosen,)), data, tmp_path)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (source("a", "none.jsonl"), r"none\.jsonl: no such file"),
        (source("a", ""), "Unacceptable pattern"),
        (source("a", "p**.jsonl"), "Invalid pattern"),
        (source("a", "p" * 5000), "too long"),
        (source("a", "pages.jsonl", form="dialogue"), "form 'dialogue'.*KeyError"),
        (source("a", "pages.jsonl", form="messages"), "no document"),
    ],
)
def test_what_does_not_fit_is_said(data, tmp_path, wrong, problem) -> None:
    with pytest.raises(FathomError, match=problem):
        made(Recipe("test", (wrong,)), data, tmp_path)


@pytest.mark.parametrize("line", ['{"messages": [{"role": "user"}]}', '{"messages": 5}', '{"messages": ["x"]}'])
def test_evaluation_material_that_is_none_is_named(data, tmp_path, line) -> None:
    (data / "asked.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    recipe = Recipe("test", (source("pages", "pages.jsonl"),), against=("asked.jsonl",))
    with pytest.raises(FathomError, match=r"asked\.jsonl: record 2"):
        made(recipe, data, tmp_path)


def test_half_a_surrogate_pair_is_dropped_and_not_the_build(data, tmp_path) -> None:
    (data / "half.jsonl").write_text('{"text": "\\ud83d' + "A page about the harbour and its boats. " * 4 + '"}\n')
    assert made(Recipe("test", (source("half", "half.jsonl"),)), data, tmp_path)["half"].documents == 1


def test_a_malformed_line_stops_the_build_with_file_and_line(data, tmp_path) -> None:
    with open(data / "pages.jsonl", "a", encoding="utf-8") as file:
        file.write("{broken\n")
    with pytest.raises(FathomError, match=r"pages\.jsonl, line 61"):
        made(Recipe("test", (source("pages", "pages.jsonl"),)), data, tmp_path)


def test_progress_reaches_the_end(data, tmp_path) -> None:
    told = []
    recipe = Recipe("test", (source("pages", "pages.jsonl", held_out=2, held_set="held"),))
    build(recipe, [data], MINI, tmp_path / "out", report=lambda *seen: told.append(seen))
    assert told[-1][0] == told[-1][1] == 2 * (data / "pages.jsonl").stat().st_size
    assert told == sorted(told)
