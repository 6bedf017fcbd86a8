"""Recipes and schedules: what is accepted, what is refused and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny_run
from fathom.errors import FathomError
from fathom.train.recipe import BalanceRecipe, PhaseRecipe, RateRecipe, load_recipe
from fathom.train.schedule import balance_at, phase_at, rate_at


def test_a_recipe_is_read_with_settings_over_it(tmp_path: Path) -> None:
    path = tiny_run.write_recipe(tmp_path)
    recipe = load_recipe(path, ["rate.peak=1", "phase.0.rows=8", "rate.matrices=adamw", "check.prompts=['a', 'b']"])
    assert (recipe.rate.peak, recipe.phase[0].rows, recipe.rate.matrices) == (1.0, 8, "adamw")
    assert recipe.check.prompts == ("a", "b")
    assert Path(recipe.model.folder) == tmp_path / "model"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("rate.peek=1", "did you mean peak?"),
        ("raet.peak=1", "did you mean rate?"),
        ("rate.peak='high'", "rate.peak: 'high' is no float"),
        ("rate.peak=0", "rate"),
        ("run.steps=1.5", "run.steps"),
        ("run.steps=true", "run.steps"),
        ("run.dtype=float16", "run.dtype"),
        ("phase.0.shares={plain = 0.5}", "add up to 1"),
        ("phase.0.shares={}", "no token set"),
        ("phase.0.until=1", "phase.1.until"),
        ("phase.1.until=0.9", "the last must end at 1"),
        ("phase.0.rows=3", "phase.0.rows"),
        ("phase.7.rows=3", "no such place"),
        ("phase=[]", "phase"),
        ("rate", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
        ("run=3", "expected a table"),
        ("data={}", "root or files"),
        ("data.max_repeats=nan", "data.max_repeats: nan is no float"),
        ("rate.peak=inf", "rate.peak: inf is no float"),
        pytest.param("rate.peak=1" + "0" * 400, "is no float", id="huge"),
        ("balance.late=-1", "balance"),
        ("check.sample_tokens=0", "check.sample_tokens"),
        ("run.seed=99999999999999999999999", "run.seed"),
        ("phase.².rows=1", "no such place"),
        pytest.param("rate.peak=" + "[" * 100_000, "rate.peak", id="deep"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, setting: str, told: str) -> None:
    with pytest.raises(FathomError) as caught:
        load_recipe(tiny_run.write_recipe(tmp_path), [setting])
    assert caught.value.code == "recipe_invalid"
    assert told in caught.value.message("en")


@pytest.mark.parametrize(
    "content", [b"", b"[model", b"\xff\xfe", b"model = 3", b"[model]\nfolder = 'x'", b"a = " + b"[" * 100_000]
)
def test_a_damaged_recipe_is_an_error_of_the_file_or_the_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.toml").write_bytes(content)
    with pytest.raises(FathomError) as caught:
        load_recipe(tmp_path / "r.toml")
    assert caught.value.code in ("file_malformed", "recipe_invalid")


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(FathomError, match="nowhere"):
        load_recipe(tmp_path / "nowhere.toml")


def test_the_rate_rises_stays_and_falls_to_its_floor() -> None:
    recipe = RateRecipe(peak=2.0, warmup_steps=10, stable=0.5, floor=0.1)
    assert rate_at(recipe, 0, 0.0) == pytest.approx(0.2)
    assert rate_at(recipe, 9, 0.01) == rate_at(recipe, 500, 0.5) == 2.0
    assert rate_at(recipe, 750, 0.75) == pytest.approx(1.1)
    assert rate_at(recipe, 1000, 1.0) == rate_at(recipe, 1001, 1.2) == pytest.approx(0.2)


def test_balance_and_phase_follow_progress() -> None:
    assert [balance_at(BalanceRecipe(), p) for p in (0.0, 0.09, 0.1, 1.0)] == [0.01, 0.01, 0.001, 0.001]
    phases = [PhaseRecipe({"a": 1.0}, until=0.6), PhaseRecipe({"a": 1.0})]
    assert [phase_at(phases, p) for p in (0.0, 0.59, 0.6, 1.0, 1.1)] == [0, 0, 1, 1, 1]
