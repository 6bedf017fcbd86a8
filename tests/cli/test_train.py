"""``fathom train``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_run


def test_a_run_from_the_command_line_is_stopped_goes_on_and_is_drawn(
    fathom: Callable[..., Any], tmp_path: Path
) -> None:
    recipe, run = tiny_run.write_recipe(tmp_path), tmp_path / "run"
    stopped = fathom("train", "pretrain", recipe, "--run", run, "--max-minutes", "0")
    assert (stopped.code, "stopped at step 1" in stopped.out) == (0, True)
    done = fathom("train", "pretrain", recipe, "--run", run, "--set", "run.log_steps=1", "--json")
    assert done.code == 0
    outcome = json.loads(done.out)
    assert (outcome["finished"], outcome["step"]) == (True, 6)
    assert "tok/s" in done.err
    assert (Path(outcome["exported"]) / "config.json").exists()
    drawn = fathom("train", "plot", run, "--out", tmp_path / "p.html")
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")
    assert drawn.out.strip() == str(tmp_path / "p.html")


def test_what_is_wrong_is_one_line(fathom: Callable[..., Any], tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    for arguments, told in (
        (("pretrain", recipe, "--set", "rate.peek=1"), "did you mean peak?"),
        (("sft", recipe), "starts from weights"),
        (("sft", tmp_path / "none.toml"), "none.toml"),
        (("plot", tmp_path), "metrics.jsonl"),
    ):
        result = fathom("train", *arguments)
        assert (result.code, told in result.err) == (1, True), result.err
        assert len(result.err.strip().splitlines()) == 1
