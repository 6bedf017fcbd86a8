"""A user's own conversations as training data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny_run
from fathom.errors import FathomError
from fathom.train.recipe import load_recipe
from fathom.train.sources import OWN, open_sets

GOOD = {"messages": [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "sat on the mat"}]}


def test_conversations_become_a_set_beside_the_others_whose_answers_are_learnt(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    (tmp_path / "own.jsonl").write_text((json.dumps(GOOD) + "\n\n") * 3)
    sets = open_sets(load_recipe(recipe, ["data.files=['own.jsonl']"]), tmp_path / "run")
    assert {"plain", "chat", "held", OWN} == sets.keys()
    assert sets[OWN].documents == 3
    assert sets[OWN].loss is not None
    assert 0 < sets[OWN].loss.sum() < len(sets[OWN])
    alone = open_sets(
        load_recipe(recipe, ["data.files=['own.jsonl']", "data.root=", "check.heldout=[]"]), tmp_path / "run"
    )
    assert list(alone) == [OWN]


def test_a_changed_file_is_another_run(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    settings = {"data.files": "['own.jsonl']", "model.fresh": "false", "phase.1.shares": "{files = 1.0}"}
    (tmp_path / "own.jsonl").write_text(json.dumps(GOOD))
    assert tiny_run.run(recipe, objective="sft", **settings).finished
    (tmp_path / "own.jsonl").write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD))
    with pytest.raises(FathomError, match="the data is"):
        tiny_run.trainer(recipe, objective="sft", **settings)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "no document"),
        ("{", "line 2"),
        ("[1]", "line 2"),
        ("{}", "record 2"),
        ('{"messages": 3}', "record 2"),
        ('{"messages": []}', "record 2"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "record 2"),
        ('{"messages": [{"role": "judge", "content": "a"}]}', "record 2"),
        ('{"messages": [{"role": "assistant", "content": null}]}', "record 2"),
        ('{"messages": ["a"]}', "record 2"),
        (json.dumps({"messages": [*GOOD["messages"], {"role": "system", "content": "a"}]}), "stands first"),
    ],
)
def test_a_line_that_is_no_conversation_is_named(tmp_path: Path, line: str, told: str) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    (tmp_path / "own.jsonl").write_text(f"{json.dumps(GOOD)}\n{line}" if line else "")
    with pytest.raises(FathomError, match=told):
        open_sets(load_recipe(recipe, ["data.files=['own.jsonl']"]), tmp_path / "run")
    with pytest.raises(FathomError, match="nowhere"):
        open_sets(load_recipe(recipe, ["data.files=['nowhere.jsonl']"]), tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("check.heldout=['hold']", "no set 'hold'; known: chat, held, plain"),
        ("phase.0.length=1000000000000", "the model's context"),
        ("check.length=1000000000000", "the model's context"),
    ],
)
def test_what_a_run_would_stumble_over_later_is_refused_at_its_start(tmp_path: Path, setting: str, told: str) -> None:
    recipe = load_recipe(tiny_run.write_recipe(tmp_path), [setting])
    with pytest.raises(FathomError, match=told):
        open_sets(recipe, tmp_path)


def test_bits_per_byte_need_the_bytes(tmp_path: Path) -> None:
    recipe = load_recipe(tiny_run.write_recipe(tmp_path))
    meta = tmp_path / "sets/held/meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"bytes": 0}))
    with pytest.raises(FathomError, match="'held' does not tell the bytes"):
        open_sets(recipe, tmp_path)
