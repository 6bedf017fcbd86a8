"""``fathom eval harness``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

TASKS = Path(__file__).parents[1] / "eval" / "tasks"


@pytest.mark.slow
def test_tasks_of_a_folder_are_run_and_told(fathom, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    pytest.importorskip("lm_eval")
    monkeypatch.chdir(TASKS)
    asked = ("eval", "harness", "--include", TASKS, "--tasks", "fathom_choices, fathom_texts", "--limit", "2")
    found = json.loads(fathom(*asked, "--json").out)
    assert (found["model"], found["server"], found["limit"]) == ("mini", None, 2)
    assert {name: task["n"] for name, task in found["tasks"].items()} == {"fathom_choices": 2, "fathom_texts": 2}
    assert found["tasks"]["fathom_choices"]["metrics"]["acc"]["stderr"] >= 0
    table = fathom(*asked).out.splitlines()
    assert table[0].split() == ["task", "count", "shots", "metric", "score", "standard", "error"]
    assert len(table) == 4
    wrong = fathom("eval", "harness", "--include", TASKS, "--tasks", "fathom_x", "--base-url", "http://127.0.0.1:9")
    assert wrong.code == 1
    assert "http://127.0.0.1:9: " in wrong.err


def test_what_is_wrong_is_one_line(fathom, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "fathom.eval.harness", raising=False)
    for arguments, code, told in (
        ((), 2, "--tasks is missing"),
        (("--tasks", " ,"), 2, "names no task"),
        (("--tasks", "a", "--base-url", "http://127.0.0.1:9", "--threads", "2"), 2, "--threads"),
        (("--tasks", "a", "--shots", "-1"), 2, "--shots"),
        (("--tasks", "a"), 1, "`make eval`"),
    ):
        result = fathom("eval", "harness", *arguments)
        assert (result.code, told in result.err) == (code, True), result.err
        assert len(result.err.strip().splitlines()) == 1
