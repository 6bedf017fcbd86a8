"""Small random models of every family: official config.json, weights under official names, tokens.

Recipe: norms 1 + 0.2 N(0, 1), embeddings N(0, 1), matrices N(0, 1) / sqrt(fan_in), everything rounded to bfloat16, two
prompts of 150 tokens with original_max_position_embeddings 64. So logits have a standard deviation of 1 and YaRN bites.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

BASE: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 352,
    "moe_intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "q_lora_rank": None,
    "kv_lora_rank": 64,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "n_routed_experts": 16,
    "n_shared_experts": 2,
    "num_experts_per_tok": 4,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "max_position_embeddings": 2560,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "hidden_act": "silu",
    "bos_token_id": 0,
    "eos_token_id": 1,
    "initializer_range": 0.02,
    "torch_dtype": "bfloat16",
}
V2 = {
    **BASE,
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "scoring_func": "softmax",
    "topk_method": "greedy",
    "n_group": 1,
    "topk_group": 1,
}
V3 = {
    **BASE,
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "n_group": 1,
    "topk_group": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "num_nextn_predict_layers": 0,
}


def yarn(mscale: float, mscale_all_dim: float) -> dict[str, Any]:
    return {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 64,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": mscale,
        "mscale_all_dim": mscale_all_dim,
    }


GLM = {
    **V3,
    "architectures": ["Glm4MoeLiteForCausalLM"],
    "model_type": "glm4_moe_lite",
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "q_lora_rank": 48,
    "qk_nope_head_dim": 24,
    "qk_rope_head_dim": 8,
    "n_shared_experts": 1,
    "routed_scaling_factor": 1.8,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e6,
}
GROUPS_V3 = {"n_group": 4, "topk_group": 2}
GROUPS_V2 = {"topk_method": "group_limited_greedy", "n_group": 4, "topk_group": 2}

CONFIGS: dict[str, dict[str, Any]] = {
    "v2_lite": {**V2, "rope_scaling": yarn(0.707, 0.707)},
    "v2": {**V2, **GROUPS_V2, "q_lora_rank": 48, "routed_scaling_factor": 16.0, "rope_scaling": yarn(0.707, 0.707)},
    "v2_5": {**V2, **GROUPS_V2, "q_lora_rank": 48, "routed_scaling_factor": 16.0, "rope_scaling": yarn(1.0, 1.0)},
    "v2_mscale_differs": {**V2, "rope_scaling": yarn(1.0, 0.707)},
    "v2_esft": {**V2, "max_position_embeddings": 256},
    "v2_tied": {**V2, "q_lora_rank": 48, "n_group": None, "topk_group": None, "tie_word_embeddings": True},
    "v2_dense": {**V2, "first_k_dense_replace": 3, "rope_scaling": yarn(0.707, 0.707)},
    "v3": {
        **V3,
        "q_lora_rank": 48,
        "n_group": 4,
        "topk_group": 2,
        "n_shared_experts": 1,
        "rope_scaling": yarn(1.0, 1.0),
    },
    "v3_attention_bias": {**V3, "q_lora_rank": 48, "attention_bias": True},
    "v3_half_split_rope": {**V3, "rope_interleave": False, "rope_scaling": yarn(1.0, 0.707)},
    "moonlight": {**V3, "routed_scaling_factor": 2.446, "rope_theta": 50000.0, "rms_norm_eps": 1e-5},
    "gigachat3": {
        **V3,
        "v_head_dim": 48,
        "n_shared_experts": 1,
        "rope_theta": 100000.0,
        "rope_scaling": yarn(1.0, 1.0),
    },
    "kanana2": {**V3, "n_routed_experts": 32, "num_experts_per_tok": 6, "rope_interleave": True, "rope_theta": 1e6},
    "glm4_moe_lite": GLM,
    # latents so small that the eps of their norm matters, and choices so negative that the mask of groups does
    "glm_small_latents": GLM,
    "v3_negative_bias": {**V3, **GROUPS_V3},
    # transformers' DeepseekV2 reads norm_topk_prob and ignores it
    "v2_norm_topk_prob": {**V2, "norm_topk_prob": True, "routed_scaling_factor": 2.5},
    # transformers' DeepseekV2 has neither sigmoid nor noaux_tc nor a bias (the language model of DeepSeek-VL2)
    "vl2_noaux_tc": {
        **V2,
        "scoring_func": "sigmoid",
        "topk_method": "noaux_tc",
        **GROUPS_V3,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.0,
    },
    # transformers ignores moe_layer_freq in both classes
    "v2_every_second_layer": {**V2, "moe_layer_freq": 2},
    # transformers' DeepseekV3 always takes the sigmoid
    "v3_softmax": {**V3, **GROUPS_V3, "scoring_func": "softmax"},
    # transformers' classes can't be built without shared experts
    "v2_no_shared_experts": {**V2, "n_shared_experts": None},
}
TRANSFORMERS_WRONG = (
    "v2_norm_topk_prob",
    "vl2_noaux_tc",
    "v2_every_second_layer",
    "v3_softmax",
    "v2_no_shared_experts",
)
TRANSFORMERS_RIGHT = tuple(name for name in CONFIGS if name not in TRANSFORMERS_WRONG)


def shapes(c: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Official tensor names and shapes, written from the published listing."""
    hidden, heads, rank, rope = c["hidden_size"], c["num_attention_heads"], c["kv_lora_rank"], c["qk_rope_head_dim"]
    qk, q_rank = c["qk_nope_head_dim"] + rope, c["q_lora_rank"]
    out: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (c["vocab_size"], hidden)}

    def mlp(at: str, width: int) -> None:
        out[at + "gate_proj.weight"] = out[at + "up_proj.weight"] = (width, hidden)
        out[at + "down_proj.weight"] = (hidden, width)

    for layer in range(c["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        out[at + "input_layernorm.weight"] = out[at + "post_attention_layernorm.weight"] = (hidden,)
        attn = at + "self_attn."
        if q_rank is None:
            out[attn + "q_proj.weight"] = (heads * qk, hidden)
        else:
            out[attn + "q_a_proj.weight"], out[attn + "q_a_layernorm.weight"] = (q_rank, hidden), (q_rank,)
            out[attn + "q_b_proj.weight"] = (heads * qk, q_rank)
        out[attn + "kv_a_proj_with_mqa.weight"], out[attn + "kv_a_layernorm.weight"] = (rank + rope, hidden), (rank,)
        out[attn + "kv_b_proj.weight"] = (heads * (c["qk_nope_head_dim"] + c["v_head_dim"]), rank)
        out[attn + "o_proj.weight"] = (hidden, heads * c["v_head_dim"])
        if c["attention_bias"]:
            for name in ("q_a_proj", "kv_a_proj_with_mqa", "o_proj"):
                out[f"{attn}{name}.bias"] = out[f"{attn}{name}.weight"][:1]
        if layer < c["first_k_dense_replace"] or layer % c["moe_layer_freq"]:
            mlp(at + "mlp.", c["intermediate_size"])
            continue
        out[at + "mlp.gate.weight"] = (c["n_routed_experts"], hidden)
        if c["topk_method"] == "noaux_tc":
            out[at + "mlp.gate.e_score_correction_bias"] = (c["n_routed_experts"],)
        for expert in range(c["n_routed_experts"]):
            mlp(f"{at}mlp.experts.{expert}.", c["moe_intermediate_size"])
        if c["n_shared_experts"]:
            mlp(at + "mlp.shared_experts.", c["n_shared_experts"] * c["moe_intermediate_size"])
    out["model.norm.weight"] = (hidden,)
    if not c["tie_word_embeddings"]:
        out["lm_head.weight"] = (c["vocab_size"], hidden)
    return out


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    config: dict[str, Any]
    seed: int = 0

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """bfloat16, but for the correction bias, which official files keep in float32."""
        rng = np.random.default_rng(self.seed)
        return {name: self._draw(rng, name, shape) for name, shape in shapes(self.config).items()}

    def _draw(self, rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        x = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        if name.endswith("e_score_correction_bias"):
            return 0.2 * x - (2 if self.name == "v3_negative_bias" else 0)
        if "norm" in name:
            x = 1 + 0.2 * x
        elif name.endswith(".bias"):
            x = 0.5 * x
        elif "embed" not in name or self.config["tie_word_embeddings"]:  # a tied table is a head too
            x = x / shape[1] ** 0.5
        if self.name == "glm_small_latents" and "_a_proj" in name:
            x = x / 512
        return x.to(torch.bfloat16)

    @cached_property
    def tokens(self) -> np.ndarray:
        return np.random.default_rng(self.seed + 1).integers(0, self.config["vocab_size"], (2, 150))

    def save(self, folder: Path, weights: dict[str, torch.Tensor] | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config))
        tensors = {name: t.contiguous() for name, t in (weights or self.weights).items()}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return folder


@cache
def case(name: str) -> Case:
    return Case(name, CONFIGS[name])
