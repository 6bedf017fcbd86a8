"""transformers and fathom read each other's checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, DeepseekV2Config, DeepseekV3Config, Glm4MoeLiteConfig

from fathom.convert.dummy import make_dummy
from fathom.weights.checkpoint import open_checkpoint
from fathom.weights.published import published_models
from fathom.weights.verify import verify
from gguf_tiny import SIGMOID, SMALL

GLM = SIGMOID | {"mlp_layer_types": ["dense", "sparse", "sparse"], "pad_token_id": 2}
FAMILIES = {
    "deepseek_v2": (DeepseekV2Config, {}),
    "deepseek_v3": (DeepseekV3Config, SIGMOID),
    "glm4_moe_lite": (Glm4MoeLiteConfig, GLM),
}


def model_of(family: str) -> Any:
    config, extra = FAMILIES[family]
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config(**{k: v for k, v in (SMALL | extra).items() if k != "model_type"}))


def official(model: Any) -> dict[str, np.ndarray]:
    """transformers' state dict, whose experts are fused, under official names."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        stem, _, kind = name.rpartition(".")
        if kind == "gate_up_proj":
            for expert, both in enumerate(tensor):
                gate, up = both.chunk(2)
                tensors |= {f"{stem}.{expert}.gate_proj.weight": gate, f"{stem}.{expert}.up_proj.weight": up}
        elif kind == "down_proj":
            tensors |= {f"{stem}.{expert}.down_proj.weight": down for expert, down in enumerate(tensor)}
        else:
            tensors[name] = tensor
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(torch.arange(1, 9)[None]).logits


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_transformers_saves_is_read(tmp_path, family, dtype) -> None:
    model = model_of(family).to(dtype)
    model.save_pretrained(tmp_path, max_shard_size="200KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert verify(tmp_path).ok
    tensors, wanted = open_checkpoint(tmp_path).tensors, official(model)
    assert tensors.keys() == wanted.keys()
    for name, array in wanted.items():
        assert np.array_equal(tensors[name].floats(), array), name


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_here_is_read_by_transformers(tmp_path, family) -> None:
    model = model_of(family)
    model.save_pretrained(tmp_path / "theirs")
    theirs = open_checkpoint(tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    theirs.config.save(tmp_path / "ours")
    state = {name: torch.from_numpy(ref.floats()) for name, ref in theirs.tensors.items()}
    save_file(state, tmp_path / "ours" / "model.safetensors", {"format": "pt"})
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "ours")), logits(model))


def test_fused_state_dicts_are_read(tmp_path) -> None:
    model = model_of("deepseek_v3")
    save_config(tmp_path, SMALL | SIGMOID)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    assert any(name.endswith("experts.gate_up_proj") for name in state)
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    assert verify(tmp_path).ok
    tensors = open_checkpoint(tmp_path).tensors
    for name, array in official(model).items():
        assert np.array_equal(tensors[name].floats(), array), name


def test_transformers_loads_dummy_weights(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(published_models(), "tiny", SMALL | {"architectures": ["DeepseekV2ForCausalLM"]})
    make_dummy("tiny", tmp_path / "dummy", "bf16")
    model, info = AutoModelForCausalLM.from_pretrained(tmp_path / "dummy", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert logits(model).isfinite().all()


def save_config(folder: Path, raw: dict[str, Any]) -> None:
    (folder / "config.json").write_text(json.dumps(raw))
