"""Shapes of published models by name: the facts of their config.json, for dummy weights and for `fathom doctor`.

Read from the official files or from copies of them in public test suites, except the two entries marked unverified,
whose fields were put together from the model cards and agree with the published totals of parameters.
"""

from __future__ import annotations

from typing import Any

from fathom.config import ModelConfig

__all__ = ["PUBLISHED", "published_config"]

_YARN: dict[str, Any] = {
    "type": "yarn",
    "factor": 40,
    "original_max_position_embeddings": 4096,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 0.707,
    "mscale_all_dim": 0.707,
}

_LITE: dict[str, Any] = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "vocab_size": 102400,
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "q_lora_rank": None,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "topk_method": "greedy",
    "n_group": 1,
    "topk_group": 1,
    "scoring_func": "softmax",
    "norm_topk_prob": False,
    "routed_scaling_factor": 1.0,
    "rope_theta": 10000,
    "rope_scaling": _YARN,
    "max_position_embeddings": 163840,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": False,
    "bos_token_id": 100000,
    "eos_token_id": 100001,
    "torch_dtype": "bfloat16",
}

_V2 = _LITE | {
    "hidden_size": 5120,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_hidden_layers": 60,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "n_routed_experts": 160,
    "topk_method": "group_limited_greedy",
    "n_group": 8,
    "topk_group": 3,
    "routed_scaling_factor": 16.0,
}

_V3_LIKE = _LITE | {  # what the relatives of model_type deepseek_v3 share
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "rope_scaling": None,
    "num_nextn_predict_layers": 0,
}

PUBLISHED: dict[str, dict[str, Any]] = {
    "DeepSeek-V2-Lite": _LITE,
    "DeepSeek-V2-Lite-Chat": _LITE,
    "DeepSeek-Coder-V2-Lite": _LITE,
    "DeepSeek-V2": _V2,
    "DeepSeek-V2.5": _V2 | {"rope_scaling": _YARN | {"mscale": 1.0, "mscale_all_dim": 1.0}},
    "ESFT-vanilla-lite": _LITE | {"max_position_embeddings": 4096, "rope_scaling": None},
    "Moonlight-16B-A3B": _V3_LIKE
    | {
        "vocab_size": 163840,
        "intermediate_size": 11264,
        "routed_scaling_factor": 2.446,
        "rope_theta": 50000.0,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "bos_token_id": 163584,
        "eos_token_id": 163586,
    },
    "GigaChat3-10B-A1.8B": _V3_LIKE  # unverified but for the 26 layers and the plain q_proj (ggml-org/llama.cpp#17420)
    | {
        "vocab_size": 128256,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "moe_intermediate_size": 1280,
        "num_hidden_layers": 26,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "qk_nope_head_dim": 64,
        "v_head_dim": 192,
        "n_shared_experts": 1,
        "num_experts_per_tok": 4,
        "rope_theta": 100000,
        "max_position_embeddings": 262144,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "num_nextn_predict_layers": 1,
    },
    "Kanana-2-30B-A3B": _V3_LIKE  # unverified but for layers, vocabulary and plain q_proj (llama.cpp's loader)
    | {
        "vocab_size": 128256,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "n_routed_experts": 128,
        "routed_scaling_factor": 2.5,
        "rope_theta": 1000000,
        "max_position_embeddings": 32768,
        "bos_token_id": 128000,
        "eos_token_id": 128001,
    },
    "GLM-4.7-Flash": _V3_LIKE
    | {
        "architectures": ["Glm4MoeLiteForCausalLM"],
        "model_type": "glm4_moe_lite",
        "vocab_size": 154880,
        "intermediate_size": 10240,
        "moe_intermediate_size": 1536,
        "num_hidden_layers": 47,
        "num_attention_heads": 20,
        "num_key_value_heads": 20,
        "q_lora_rank": 768,
        "qk_nope_head_dim": 192,
        "v_head_dim": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 4,
        "routed_scaling_factor": 1.8,
        "rope_theta": 1000000,
        "max_position_embeddings": 202752,
        "rms_norm_eps": 1e-5,
        "bos_token_id": None,
        "eos_token_id": [154820, 154827, 154829],
        "pad_token_id": 154820,
        "num_nextn_predict_layers": 1,
    },
}


def published_config(name: str) -> ModelConfig | None:
    """The configuration of a published model, or None; upper and lower case are the same."""
    for known, raw in PUBLISHED.items():
        if known.lower() == name.lower():
            return ModelConfig.from_dict(raw)
    return None
