"""Training on a machine that is lent for a while: parts in, calls that end by the clock, shards out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny
import tiny_run
from fathom.config import ModelConfig
from fathom.data.parts import pack_parts, unpack_parts
from fathom.errors import FathomError
from fathom.reference import Model, load_model
from fathom.train.export import export, merge

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = (
    "pydantic",
    "typer",
    "zstandard",
    "gguf",
    "llguidance",
    "rich",
    "fastapi",
    "transformers",
    "fathom._native",
)


def test_parts_in_two_calls_and_weights_out(tmp_path: Path) -> None:
    recipe = tiny_run.write_recipe(tmp_path, steps=3)
    parts, there = tmp_path / "parts", tmp_path / "there"
    pack_parts(tmp_path / "sets", parts, 1)
    assert all(file.stat().st_size <= 1 << 20 for file in parts.iterdir())
    there.mkdir()
    assert unpack_parts(parts, there / "sets") == []
    shutil.copytree(tmp_path / "model", there / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copyfile(recipe, there / "r.toml")
    assert not tiny_run.trainer(there / "r.toml").train(max_minutes=0.0).finished
    outcome = tiny_run.run(there / "r.toml")
    assert outcome.exported is not None
    merge(outcome.exported, tmp_path / "home")
    assert load_model(tmp_path / "home").config.vocab_size == tiny.VOCAB_SIZE
    shutil.rmtree(there / "sets")
    tiny_run.write_corpus(there / "sets", seed=5)
    with pytest.raises(FathomError, match="the data is"):
        tiny_run.trainer(there / "r.toml")


def test_shards_keep_to_their_size_and_hold_every_tensor(tmp_path: Path) -> None:
    model = Model(ModelConfig.from_dict({**tiny.CONFIG, "vocab_size": 7000, "quantization_config": {"format": "int8"}}))
    folder = export(model, tmp_path, tmp_path / "out", shard_mb=1)
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert all(file.stat().st_size <= 1 << 20 for file in shards)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == model.state_dict().keys()
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    merged = load_file(merge(folder, tmp_path / "one") / "model.safetensors")
    assert all(torch.equal(merged[name], t.detach().bfloat16()) for name, t in model.state_dict().items())
    with pytest.raises(FathomError, match="exists already"):
        export(model, tmp_path, folder)


def test_a_bare_machine_needs_only_torch_numpy_safetensors_and_tokenizers(tmp_path: Path) -> None:
    """Every other import is blocked, and the command still runs from the source tree."""
    recipe = tiny_run.write_recipe(tmp_path, steps=1)
    block = f"import sys\nsys.modules.update(dict.fromkeys({FORBIDDEN!r}))\nimport runpy\n"
    command = block + 'runpy.run_module("fathom.train", run_name="__main__")'
    arguments = ["pretrain", str(recipe), "--run", str(tmp_path / "run")]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert "finished at step 1" in done.stderr
