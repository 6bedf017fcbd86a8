"""The loop: exact resume, accumulation, fine-tuning, and every way a run can end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import tiny_run
from fathom.errors import FathomError
from fathom.files import alone_in
from fathom.reference import load_model
from fathom.train import state
from fathom.train.export import export, merge
from fathom.train.feed import Feed
from fathom.train.log import read_log
from fathom.train.loop import Trainer
from fathom.train.recipe import load_recipe
from fathom.train.run import train
from fathom.weights.checkpoint import open_checkpoint


def parameters(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def advance(trainer: Trainer, steps: int) -> None:
    """So many steps and a checkpoint, as a run that is stopped then."""
    trainer._over_after = trainer.progress.step + steps  # type: ignore[attr-defined]
    over = trainer._over
    trainer._over = lambda: 1.0 if trainer.progress.step >= trainer._over_after else over()  # type: ignore[attr-defined, method-assign]
    trainer._export = lambda: trainer.folder  # type: ignore[method-assign]
    trainer._measure = lambda **_: {}  # type: ignore[method-assign]
    trainer.train()


def test_n_steps_are_k_a_resume_and_the_rest_bit_for_bit(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    whole = tiny_run.trainer(recipe, "whole")
    whole.train()
    advance(tiny_run.trainer(recipe, "parts"), 2)  # in the first phase
    advance(tiny_run.trainer(recipe, "parts"), 2)  # across into the second
    rest = tiny_run.trainer(recipe, "parts")
    assert rest.progress.step == 4
    rest.train()
    assert equal(parameters(whole), parameters(rest))
    assert all(torch.equal(a, rest.optimizer.state()[name]) for name, a in whole.optimizer.state().items())
    a, b = (read_log(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts"))
    assert [line["loss"] for line in a] == [line["loss"] for line in b]
    assert [line["step"] for line in b] == list(range(6))


def test_passes_are_equal_and_no_larger_than_asked(tmp_path: Path) -> None:
    trainer = tiny_run.trainer(tiny_run.write_recipe(tmp_path), "run")
    feed = Feed(trainer.batches, tiny_run.LENGTH * (tiny_run.ROWS - 1), torch.device("cpu"), ends=False)
    sizes = [micro.tokens.numel() for micro in feed.step(0, 0)]
    feed.close()
    assert sizes == [tiny_run.LENGTH * tiny_run.ROWS // 2] * 2


def test_small_passes_add_up_to_one_big_batch(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path, steps=1)
    grads = []
    for tokens in (tiny_run.LENGTH, tiny_run.LENGTH * tiny_run.ROWS):
        trainer = tiny_run.trainer(recipe, f"run{tokens}", **{"run.micro_tokens": tokens})
        trainer.optimizer.step = lambda rate: None  # type: ignore[method-assign, misc]
        trainer.train()
        grads.append({name: p.grad for name, p in trainer.model.named_parameters()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grad, grads[1][name], rtol=1e-4, atol=1e-6)


def test_experts_are_loaded_evenly_after_200_steps(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path, steps=200, log_steps=200, micro_tokens=tiny_run.LENGTH * tiny_run.ROWS)
    tiny_run.run(recipe, **{"phase.1.length": tiny_run.LENGTH, "phase.1.rows": tiny_run.ROWS})
    last = read_log(tmp_path / "run" / "metrics.jsonl")[-1]
    assert len(last["load"]) == 1
    assert max(last["load"][0]) < 2
    assert last["loss"] < 2.0 < read_log(tmp_path / "run" / "metrics.jsonl")[0]["loss"]


def test_a_finished_run_leaves_a_model_metrics_samples_and_bits_per_byte(tmp_path: Path) -> None:
    outcome = tiny_run.run(tiny_run.write_recipe(tmp_path))
    assert (outcome.finished, outcome.step) == (True, 6)
    assert 0 < outcome.bits_per_byte["held"] < 20
    assert outcome.exported is not None
    assert open_checkpoint(outcome.exported).config.num_hidden_layers == 2
    kept = load_model(merge(outcome.exported, tmp_path / "merged"))
    expected = tiny_run.trainer(tmp_path / "r.toml").model
    for name, p in kept.named_parameters():
        torch.testing.assert_close(p, dict(expected.named_parameters())[name].bfloat16().float())
    run = tmp_path / "run"
    samples = read_log(run / "samples.jsonl")
    assert [line["temperature"] for line in samples] == [0.0, 0.7]
    assert {"recipe", "data", "tokenizer", "peak_flops"} <= json.loads((run / "run.json").read_text()).keys()
    assert tiny_run.run(tmp_path / "r.toml").finished  # once more: nothing left to do


def test_a_finished_run_that_goes_on_exports_its_new_weights(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    first = tiny_run.run(recipe, **{"run.steps": 2})
    assert first.exported is not None
    before = {file.name: file.read_bytes() for file in first.exported.glob("*.safetensors")}
    stamp = (first.exported / "config.json").stat().st_mtime_ns
    again = tiny_run.run(recipe, **{"run.steps": 2})
    assert again.exported == first.exported
    assert (first.exported / "config.json").stat().st_mtime_ns == stamp
    tiny_run.run(recipe, **{"run.steps": 4})
    assert before != {file.name: file.read_bytes() for file in first.exported.glob("*.safetensors")}


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    with alone_in(tmp_path / "run"), pytest.raises(FathomError, match="by another process"):
        train("pretrain", recipe, tmp_path / "run", say=lambda _: None)
    assert not list((tmp_path / "run").iterdir())
    assert train("pretrain", recipe, tmp_path / "run", say=lambda _: None).finished


def test_fine_tuning_starts_from_weights_and_learns_answers_alone(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    trainer = tiny_run.trainer(recipe, objective="sft", **{"model.fresh": "false"})
    assert trainer.recipe.phase[0].assistant_only
    start = load_model(tmp_path / "model")
    assert equal(parameters(trainer), {name: p.detach() for name, p in start.named_parameters()})
    with pytest.raises(FathomError, match="starts from weights"):
        tiny_run.trainer(recipe, objective="sft")


def test_a_run_does_not_go_on_with_other_data_or_another_tokenizer(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    advance(tiny_run.trainer(recipe), 1)
    shutil.rmtree(tmp_path / "sets")
    tiny_run.write_corpus(tmp_path / "sets", seed=4)
    with pytest.raises(FathomError, match="the data is"):
        tiny_run.trainer(recipe)
    tiny_run.write_corpus(tmp_path / "sets", tokenizer="another")
    with pytest.raises(FathomError, match="tokenizer"):
        tiny_run.trainer(recipe, "fresh")


def test_too_many_repeats_are_refused_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(FathomError) as caught:
        tiny_run.trainer(tiny_run.write_recipe(tmp_path, steps=1000), **{"data.max_repeats": 10})
    assert caught.value.code == "data_repeats"
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run_names_the_step_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    advance(tiny_run.trainer(recipe), 2)
    trainer = tiny_run.trainer(recipe)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(FathomError) as caught:
        trainer.train()
    assert "step 2" in caught.value.message("en")
    assert "step-00000002.safetensors" in caught.value.message("zh")
    assert [p.name for p in (tmp_path / "run/checkpoints").iterdir()] == ["step-00000002.safetensors"]
    assert tiny_run.run(recipe).finished


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, small_disk: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    trainer = Trainer(tiny_run.load_recipe(recipe), small_disk, "pretrain", lambda _: None)
    first = trainer.save()
    (small_disk / "filler").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 8192))
    trainer.progress.step = 1
    with pytest.raises(FathomError) as caught:
        trainer.save()
    assert caught.value.code == "no_space"
    assert list((small_disk / "checkpoints").iterdir()) == [first]
    assert tiny_run.Trainer(tiny_run.load_recipe(recipe), small_disk, "pretrain", lambda _: None).progress.step == 0


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_goes_on(tmp_path: Path, kind: signal.Signals) -> None:
    recipe = tiny_run.write_recipe(tmp_path, steps=4000, save_minutes=1e-9, log_steps=1)
    command = [sys.executable, "-m", "fathom.train", "pretrain", str(recipe), "--run", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "run/checkpoints").glob("step-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(kind)
    _, told = process.communicate(timeout=60)
    assert process.returncode == (0 if kind == signal.SIGTERM else -kind), told
    reached = tiny_run.trainer(recipe, **{"run.save_minutes": 1}).progress.step
    assert reached > 0
    if kind == signal.SIGTERM:
        assert f"stopped at step {reached}" in told


def test_the_clock_ends_a_run_with_its_schedule_done(tmp_path: Path) -> None:
    trainer = tiny_run.trainer(tiny_run.write_recipe(tmp_path, minutes=0.01))
    outcome = trainer.train()
    assert outcome.finished
    lines = read_log(tmp_path / "run/metrics.jsonl")
    assert lines[-1]["progress"] < 1.0
    assert trainer.progress.elapsed >= 0.6


def test_a_run_by_the_clock_that_saw_a_set_too_often_says_so(tmp_path: Path) -> None:
    recipe = load_recipe(tiny_run.write_recipe(tmp_path), ["run.minutes=0.01", "run.steps=1", "data.max_repeats=0.5"])
    told: list[str] = []
    trainer = Trainer(recipe, tmp_path / "run", "pretrain", told.append)
    trainer.progress.phase_steps = [50, 50]  # as on a fast machine
    trainer.train()
    assert any("max_repeats = 0.5 allows: " in line for line in told), told


def test_max_minutes_end_a_call_not_the_run(tmp_path: Path) -> None:
    outcome = tiny_run.trainer(tiny_run.write_recipe(tmp_path)).train(max_minutes=0.0)
    assert (outcome.finished, outcome.step, outcome.exported) == (False, 1, None)
    assert tiny_run.run(tmp_path / "r.toml").finished


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path)
    path = tiny_run.trainer(recipe).save()
    content = path.read_bytes()
    for bad in (b"", content[: len(content) // 2], b"\0" * 100):
        path.write_bytes(bad)
        with pytest.raises(FathomError, match="step-00000000"):
            tiny_run.trainer(recipe)
    path.write_bytes(content)
    assert state.latest(path.parent) == path


def test_what_is_exported_samples_as_the_model_it_came_from(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "generation_config.json").write_text('{"temperature": 0.3, "repetition_penalty": 1.12}')
    model = load_model(tiny_run.trainer(tiny_run.write_recipe(tmp_path), "run").recipe.model.folder)
    merged = merge(export(model, source, tmp_path / "shards", shard_mb=1), tmp_path / "one")
    assert json.loads((merged / "generation_config.json").read_text())["repetition_penalty"] == 1.12
