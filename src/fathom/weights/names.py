"""Tensor names: everything a checkpoint of the family may call its tensors, mapped to the official names.

Official names are those of the published ``deepseek_v2`` files (``model.layers.3.mlp.experts.5.up_proj.weight``).
Also read: DeepSeek's inference names (``layers.3.ffn.experts.5.w3.weight``), experts fused by transformers >= 5
(``mlp.experts.gate_up_proj`` of shape (E, 2*MI, D), gate first; ``mlp.experts.down_proj`` (E, D, MI)), and any
``model.``, ``language_model.`` or ``language.`` in front, or none.
Source: deepseek-ai/DeepSeek-V3, inference/convert.py; huggingface/transformers, conversion_mapping.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fathom.errors import FathomError

if TYPE_CHECKING:
    from fathom.config import ModelConfig
    from fathom.weights.checkpoint import TensorRef

__all__ = ["canonical", "official", "split_kv_b"]

PREFIXES = ("model", "language_model", "language")
INFERENCE = {  # DeepSeek's inference code -> official, a part of a name each
    **{"embed": "embed_tokens", "head": "lm_head", "attn": "self_attn", "ffn": "mlp"},
    **{"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"},
    **{"wq": "q_proj", "wq_a": "q_a_proj", "q_norm": "q_a_layernorm", "wq_b": "q_b_proj", "wo": "o_proj"},
    **{"wkv_a": "kv_a_proj_with_mqa", "kv_norm": "kv_a_layernorm", "wkv_b": "kv_b_proj"},
    **{"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj", "scale": "weight_scale_inv"},
}


def official(name: str) -> str:
    """The official name of a tensor, or the name with ``model.`` in front where it is none of ours."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in PREFIXES:
        del parts[0]
    parts = [INFERENCE.get(part, part) for part in parts]
    if parts[-3:] == ["mlp", "gate", "bias"]:
        parts[-1] = "e_score_correction_bias"
    return ".".join(parts if parts[0] == "lm_head" else ["model", *parts])


def canonical(
    stored: Mapping[str, TensorRef], config: ModelConfig, path: Path
) -> tuple[dict[str, TensorRef], tuple[str, ...]]:
    """Stored tensors under official per-expert names, and the names of those in multi-token-prediction layers."""
    tensors: dict[str, TensorRef] = {}
    unused: list[str] = []
    for ref in stored.values():
        name = official(ref.name)
        if name.endswith("rotary_emb.inv_freq"):  # computed from the configuration
            continue
        if (layer := _layer(name)) is not None and layer >= config.num_hidden_layers:
            unused.append(ref.name)
            continue
        for part in _experts(name, ref, config):
            if part.name in tensors:
                problem = f"tensor {part.name} occurs twice, under different names"
                raise FathomError("checkpoint_mismatch", path=path, problem=problem)
            tensors[part.name] = part
    return tensors, tuple(unused)


def split_kv_b(name: str, config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the two halves that may stand for a ``kv_b_proj.weight``: how GGUF stores it.

    ``k_b`` holds, a head, the transposed (rank, nope) key part; ``v_b`` the (v, rank) value part.
    """
    stem, heads, rank = name.removesuffix(".weight"), config.num_attention_heads, config.kv_lora_rank
    return {
        f"{stem}.k_b": (heads * rank, config.qk_nope_head_dim),
        f"{stem}.v_b": (heads * config.v_head_dim, rank),
    }


def _layer(name: str) -> int | None:
    parts = name.split(".")
    is_layer = parts[:2] == ["model", "layers"] and len(parts) > 2 and parts[2].isdecimal() and len(parts[2]) < 9
    return int(parts[2]) if is_layer else None


def _experts(name: str, ref: TensorRef, config: ModelConfig) -> Iterator[TensorRef]:
    """A fused stack as one view an expert and matrix; anything else as it is."""
    stem, _, kind = name.removesuffix(".weight").rpartition(".")
    if not stem.endswith(".mlp.experts") or len(ref.shape) != 3 or kind not in ("gate_up_proj", "down_proj"):
        yield ref if ref.name == name else replace(ref, name=name)
        return
    experts, rows, _ = ref.shape
    matrices = ("gate_proj", "up_proj") if kind == "gate_up_proj" else ("down_proj",)
    if experts != config.n_routed_experts or rows % len(matrices) or not ref.nbytes:  # it can't be cut apart
        outer, inner = config.hidden_size, config.moe_intermediate_size
        sides = [2 * inner, outer] if kind == "gate_up_proj" else [outer, inner]
        expected = [config.n_routed_experts, *sides]
        raise FathomError("tensor_shape", name=ref.name, found=list(ref.shape), expected=expected)
    yield from ref.experts(stem, matrices)
