"""Tiny checkpoints of the family for the GGUF tests: written as safetensors, some by hand as GGUF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from safetensors.numpy import save_file

from fathom.config import ModelConfig
from fathom.model.program import build_program

SMALL: dict[str, Any] = {
    "model_type": "deepseek_v2",
    "vocab_size": 40,
    "hidden_size": 64,
    "intermediate_size": 96,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "q_lora_rank": 32,
    "kv_lora_rank": 64,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "greedy",
    "first_k_dense_replace": 1,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
YARN = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 64, "mscale": 0.707, "mscale_all_dim": 0.707}
SIGMOID = {
    "model_type": "deepseek_v3",
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.446,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "lite": {"num_hidden_layers": 27, "q_lora_rank": None, "rope_scaling": YARN},
    "groups": {
        "topk_method": "group_limited_greedy",
        "n_group": 2,
        "topk_group": 1,
        "routed_scaling_factor": 16.0,
        "rope_scaling": YARN | {"mscale": 1.0, "mscale_all_dim": 1.0},
    },
    "moonlight": {**SIGMOID, "num_hidden_layers": 27, "q_lora_rank": None, "rope_theta": 50000.0},
    "glm": {**SIGMOID, "qk_nope_head_dim": 48, "v_head_dim": 64, "rms_norm_eps": 1e-5, "rope_theta": 1e6},
    "dense": {"n_routed_experts": None, "n_shared_experts": None, "num_experts_per_tok": None},
    "tied": {"tie_word_embeddings": True},
}


def random_weights(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Values that bfloat16 and half precision hold exactly."""
    rng = np.random.default_rng(seed)
    weights = {}
    for weight in build_program(config).weights.values():
        scale = 1.0 if len(weight.shape) == 1 else weight.shape[-1] ** -0.5
        values = rng.standard_normal(weight.shape).astype(np.float32) * scale + (weight.role == "norm")
        weights[weight.name] = np.round(values * 64) / np.float32(64)
    return weights


def save_tiny(folder: Path, seed: int = 0, **overrides: Any) -> dict[str, np.ndarray]:
    """A folder in the official layout; returns its weights."""
    raw = SMALL | overrides
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw))
    weights = random_weights(ModelConfig.from_dict(raw), seed)
    save_file(weights, folder / "model.safetensors")
    return weights


def write_gguf(
    path: Path, fields: Mapping[str, Any], tensors: Mapping[str, tuple[np.ndarray, str]], arch: str = "deepseek2"
) -> Path:
    """A file by the package's own writer; a tensor is its bytes or values and the name of its type."""
    writer = GGUFWriter(path, arch)
    for key, value in fields.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        add.get(type(value), writer.add_array)(key, value)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


TOKENS = ["<bos>", "<eos>", *"abcdefghijklmnopqrstuvwxyz0123456789", "ab", "abc"]
VOCABULARY: dict[str, Any] = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "deepseek-v3",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3, 3] + [1] * (len(TOKENS) - 2),
    "tokenizer.ggml.merges": ["a b", "ab c"],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.chat_template": "{{ messages[0]['content'] }}",
}


def halves(kv_b: np.ndarray, config: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
    """k_b and v_b as GGUF has them, each in two dimensions."""
    per_head = kv_b.reshape(config.num_attention_heads, -1, config.kv_lora_rank)
    k_b, v_b = np.split(per_head, [config.qk_nope_head_dim], axis=1)
    return k_b.swapaxes(1, 2).reshape(-1, config.qk_nope_head_dim), v_b.reshape(-1, config.kv_lora_rank)
