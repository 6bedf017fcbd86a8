"""Checkpoints travel: transformers' files load here under any naming, and what is saved here loads there."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fathom.convert.gguf import export_gguf
from fathom.reference import load_model
from fathom.weights.checkpoint import open_checkpoint
from parity.cases import case
from parity.executors import EXECUTORS
from parity.truth import TOLERANCE, transformers_logits

FAMILIES = ("v2", "v2_tied", "v3", "glm4_moe_lite")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", FAMILIES)
def test_what_transformers_saves_loads_here(name, executor, folder, truth, tmp_path):
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(folder(name), dtype=torch.float32).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.keys() & {"rope_parameters", "rope_theta"} == {"rope_parameters"}  # the newer spelling
    assert np.abs(EXECUTORS[executor](tmp_path, case(name).tokens) - truth(name)).max() < TOLERANCE


@pytest.mark.parametrize("executor", EXECUTORS)
def test_experts_fused_by_transformers_load_here(executor, truth, tmp_path):
    model = case("v2")
    weights = dict(model.weights)
    for layer in (1, 2):
        at = f"model.layers.{layer}.mlp.experts."
        gate, up, down = (
            torch.stack([weights.pop(f"{at}{e}.{matrix}_proj.weight") for e in range(16)])
            for matrix in ("gate", "up", "down")
        )
        weights[at + "gate_up_proj"] = torch.cat([gate, up], dim=1)
        weights[at + "down_proj"] = down
    model.save(tmp_path, weights)
    assert np.abs(EXECUTORS[executor](tmp_path, model.tokens) - truth("v2")).max() < TOLERANCE


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", ["v2", "glm4_moe_lite"])
def test_a_float32_gguf_gives_the_same_logits(name, executor, folder, truth, tmp_path):
    file = tmp_path / "model.gguf"
    export_gguf(open_checkpoint(folder(name)), file, "F32")
    assert np.abs(EXECUTORS[executor](file, case(name).tokens) - truth(name)).max() < TOLERANCE


@pytest.mark.parametrize("name", FAMILIES)
def test_a_state_dict_saved_here_loads_in_transformers(name, folder, truth, tmp_path):
    model = load_model(folder(name))
    state = model.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {k: tuple(v.shape) for k, v in case(name).weights.items()}
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    model.config.save(tmp_path)
    assert np.array_equal(transformers_logits(tmp_path, case(name).tokens), truth(name))
