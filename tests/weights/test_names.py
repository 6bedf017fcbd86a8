"""Every way a checkpoint of the family may name its tensors comes out as the official names, without a copy."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from fathom.errors import FathomError
from fathom.weights.checkpoint import Checkpoint, open_checkpoint
from fathom.weights.names import official
from gguf_tiny import SIGMOID, save_tiny

OFFICIAL_TO_INFERENCE = {  # as inference/convert.py of DeepSeek-V3 names them
    "embed_tokens": "embed", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "q_proj": "wq",
    "q_a_proj": "wq_a", "q_a_layernorm": "q_norm", "q_b_proj": "wq_b", "kv_a_proj_with_mqa": "wkv_a",
    "kv_a_layernorm": "kv_norm", "kv_b_proj": "wkv_b", "o_proj": "wo", "gate_proj": "w1", "down_proj": "w2",
    "up_proj": "w3", "lm_head": "head",
}  # fmt: skip


def inference_name(name: str) -> str:
    name = name.removeprefix("model.").replace("self_attn", "attn").replace("mlp", "ffn")
    name = name.replace("e_score_correction_bias", "bias")
    part = name.split(".")[-2]
    return name.replace(part, OFFICIAL_TO_INFERENCE.get(part, part))


def resave(folder, weights: dict[str, np.ndarray], file: str = "model.safetensors") -> Checkpoint:
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / file)
    return open_checkpoint(folder)


def assert_equal(checkpoint: Checkpoint, weights: dict[str, np.ndarray]) -> None:
    assert checkpoint.tensors.keys() == weights.keys()
    for name, values in weights.items():
        assert np.array_equal(checkpoint.tensors[name].floats(), values), name


@pytest.mark.parametrize("overrides", [{}, {"q_lora_rank": None}, SIGMOID])
def test_inference_names(tmp_path, overrides) -> None:
    weights = save_tiny(tmp_path, **overrides)
    renamed = {inference_name(name): values for name, values in weights.items()}
    assert not renamed.keys() & weights.keys()
    assert_equal(resave(tmp_path, renamed, "model0-mp1.safetensors"), weights)


def test_model_parallel_parts_are_refused(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    with pytest.raises(FathomError, match="--model-parallel 1"):
        resave(tmp_path, weights, "model0-mp2.safetensors")


def test_fused_experts(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    fused = {name: values for name, values in weights.items() if ".mlp.experts." not in name}
    for layer in (1, 2):
        stem = f"model.layers.{layer}.mlp.experts"
        gate_up = [np.concatenate([weights[f"{stem}.{e}.{m}_proj.weight"] for m in ("gate", "up")]) for e in range(4)]
        fused[f"{stem}.gate_up_proj"] = np.stack(gate_up)  # (E, 2*MI, D)
        fused[f"{stem}.down_proj"] = np.stack([weights[f"{stem}.{e}.down_proj.weight"] for e in range(4)])
    assert_equal(resave(tmp_path, fused), weights)


@pytest.mark.parametrize("shape", [(4, 65, 64), (4, 0, 64), (3, 64, 64), (10**6, 0, 64)])
def test_fused_experts_that_cannot_be_cut_apart_are_refused(tmp_path, shape) -> None:
    weights = save_tiny(tmp_path)
    fused = {name: values for name, values in weights.items() if ".layers.1.mlp.experts." not in name}
    with pytest.raises(FathomError, match=r"experts.gate_up_proj has shape .*asks for \[4, 64, 64\]") as error:
        resave(tmp_path, fused | {"model.layers.1.mlp.experts.gate_up_proj": np.zeros(shape, np.float32)})
    assert error.value.code == "tensor_shape"


@pytest.mark.parametrize("prefix", ["", "language_model.model.", "language.model.", "model.language_model."])
def test_prefixes(tmp_path, prefix) -> None:
    weights = save_tiny(tmp_path)
    renamed = {
        f"{prefix}{name.removeprefix('model.')}" if name.startswith("model.") else name: values
        for name, values in weights.items()
    }
    assert_equal(resave(tmp_path, renamed), weights)


def test_computed_frequencies_are_ignored_and_prediction_layers_are_unused(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    extra = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(8, np.float32),
        "model.layers.3.eh_proj.weight": np.ones((64, 128), np.float32),
        "model.layers.3.shared_head.head.weight": np.ones((40, 64), np.float32),
    }
    checkpoint = resave(tmp_path, weights | extra)
    assert_equal(checkpoint, weights)
    assert set(checkpoint.unused) == {"model.layers.3.eh_proj.weight", "model.layers.3.shared_head.head.weight"}


def test_two_names_for_one_tensor_are_refused(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    with pytest.raises(FathomError, match=r"model.norm.weight occurs twice"):
        resave(tmp_path, weights | {"norm.weight": weights["model.norm.weight"]})


def test_foreign_names_stay_recognisable() -> None:
    assert official("vision.blocks.0.attn.qkv.weight") == "model.vision.blocks.0.self_attn.qkv.weight"
    assert official("lm_head.weight") == "lm_head.weight"
    assert official("model") == "model.model"
