"""GGUF of architecture ``deepseek2`` as a checkpoint: its metadata as a ModelConfig, its tensors under official names.

DeepSeek-V2, V3 and all relatives (Moonlight, GigaChat3, Kanana-2, GLM-4.7-Flash) are converted to this architecture.
Nothing is copied: an expert is a range of its stack, ``attn_k_b`` and ``attn_v_b`` stay the halves they are (see
``names.split_kv_b``), rotary pairs are interleaved as in the official files. YaRN: files carry 0.1 * mscale_all_dim and
no mscale; llama.cpp takes mscale = mscale_all_dim, as every released config.json has it.
Source: ggml-org/llama.cpp, src/models/deepseek2.cpp, conversion/deepseek.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fathom.config import ModelConfig
from fathom.errors import FathomError
from fathom.weights.checkpoint import Checkpoint, TensorRef
from fathom.weights.gguf_file import GGUFFile, malformed, read_file
from fathom.weights.gguf_vocab import VocabularyFiles

__all__ = ["ARCHITECTURE", "LAYER_NAMES", "MODEL_NAMES", "SIGMOID", "SOFTMAX", "read_gguf"]

ARCHITECTURE = "deepseek2"
SOFTMAX, SIGMOID = 1, 2  # expert_gating_func
GLM_VOCABULARY = 154880  # GLM-4.7-Flash: the first files of it left the gating function out
MODEL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {  # blk.L.X <-> model.layers.L.Y, one to one
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_q_a.weight": "self_attn.q_a_proj.weight",
    "attn_q_a_norm.weight": "self_attn.q_a_layernorm.weight",
    "attn_q_b.weight": "self_attn.q_b_proj.weight",
    "attn_kv_a_mqa.weight": "self_attn.kv_a_proj_with_mqa.weight",
    "attn_kv_a_norm.weight": "self_attn.kv_a_layernorm.weight",
    "attn_kv_b.weight": "self_attn.kv_b_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "ffn_gate_inp.weight": "mlp.gate.weight",
    "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
    "ffn_gate_shexp.weight": "mlp.shared_experts.gate_proj.weight",
    "ffn_up_shexp.weight": "mlp.shared_experts.up_proj.weight",
    "ffn_down_shexp.weight": "mlp.shared_experts.down_proj.weight",
}
_HALVES = {"attn_k_b.weight": "self_attn.kv_b_proj.k_b", "attn_v_b.weight": "self_attn.kv_b_proj.v_b"}
_STACKS = {
    "ffn_gate_exps.weight": ("gate_proj",),
    "ffn_up_exps.weight": ("up_proj",),
    "ffn_down_exps.weight": ("down_proj",),
    "ffn_gate_up_exps.weight": ("gate_proj", "up_proj"),
}


def read_gguf(path: str | Path) -> Checkpoint:
    """Open a GGUF file; reads its header only."""
    file = read_file(Path(path))
    architecture = file.fields.get("general.architecture")
    if architecture != ARCHITECTURE:
        raise FathomError("format_unsupported", what="GGUF architecture", found=architecture, known=ARCHITECTURE)
    config = _config(file)
    _check_counts(file, config)
    tensors: dict[str, TensorRef] = {}
    unused: list[str] = []
    for stored_name, stored in file.tensors.items():
        for ref in _official(stored, config):
            if ref.name in tensors:
                malformed(file.path, f"tensor {ref.name} occurs twice, the second time in {stored_name}")
            tensors[ref.name] = ref
        if stored_name.startswith("blk.") and _block(stored_name)[0] >= config.num_hidden_layers:
            unused.append(stored_name)
    for name in [name for name in tensors if name.endswith(".kv_b_proj.k_b")]:  # some files hold both forms
        tensors.pop(name.removesuffix(".k_b") + ".weight", None)
    return Checkpoint(
        file.path, config, tensors, "gguf", VocabularyFiles(file.path, file.fields), tuple(unused), file.fields
    )


def _check_counts(file: GGUFFile, config: ModelConfig) -> None:
    """Layers and experts as announced are those that are there: one too few would be a wrong answer, not an error."""
    layers, blocks = config.num_hidden_layers, config.num_hidden_layers + (config.num_nextn_predict_layers or 0)
    found = 1 + max((_block(name)[0] for name in file.tensors), default=-1)
    if found not in (layers, blocks):
        malformed(file.path, f"it announces {blocks} layers and holds {found}")
    for name, stored in file.tensors.items():
        if not name.endswith("_exps.weight"):
            continue
        expected = (config.n_routed_experts, *stored.shape[1:])
        if name.endswith(".ffn_gate_up_exps.weight"):  # cut in halves
            expected = (expected[0], 2 * config.moe_intermediate_size, *stored.shape[2:])
        if stored.shape != expected:
            raise FathomError("tensor_shape", name=name, found=stored.shape, expected=expected)


def _official(stored: TensorRef, config: ModelConfig) -> Iterator[TensorRef]:
    """A stored tensor under official names: one, or one an expert; unknown names are kept for ``verify`` to report."""
    layer, kind = _block(stored.name)
    stem = f"model.layers.{layer}"
    if layer >= config.num_hidden_layers:
        return
    if kind in LAYER_NAMES:
        yield replace(stored, name=f"{stem}.{LAYER_NAMES[kind]}")
    elif kind in _HALVES:
        shape = (math.prod(stored.shape[:-1]), stored.shape[-1])
        yield replace(stored, name=f"{stem}.{_HALVES[kind]}", shape=shape)
    elif kind in _STACKS and len(stored.shape) == 3:
        yield from stored.experts(f"{stem}.mlp.experts", _STACKS[kind])
    else:
        yield replace(stored, name=MODEL_NAMES.get(stored.name, stored.name))


def _block(name: str) -> tuple[int, str]:
    """``blk.3.attn_q.weight`` -> (3, ``attn_q.weight``); (-1, name) where it belongs to no layer."""
    match = re.fullmatch(r"blk\.([0-9]{1,8})\.(.*)", name, re.DOTALL)
    return (int(match[1]), match[2]) if match else (-1, name)


def _config(file: GGUFFile) -> ModelConfig:
    keys = _Keys(file)
    embedding = file.tensors.get("token_embd.weight")
    vocabulary = embedding.shape[0] if embedding else keys.integer("vocab_size")
    nextn = keys.integer("nextn_predict_layers", 0)
    blocks = keys.integer("block_count")
    layers = blocks - nextn
    experts = keys.integer("expert_count", 0)
    is_old = "attention.key_length_mla" not in keys  # written before the halves of kv_b were split
    rope = keys.integer("rope.dimension_count")
    key = keys.integer("attention.key_length" if is_old else "attention.key_length_mla")
    value = keys.integer("attention.value_length" if is_old else "attention.value_length_mla")
    has_q_lora = "blk.0.attn_q.weight" not in file.tensors
    raw: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": keys.integer("embedding_length"),
        "intermediate_size": keys.integer("feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": keys.integer("attention.head_count"),
        "q_lora_rank": keys.integer("attention.q_lora_rank") if has_q_lora else None,
        "kv_lora_rank": keys.integer("attention.kv_lora_rank"),
        "qk_nope_head_dim": key - rope,
        "qk_rope_head_dim": rope,
        "v_head_dim": value,
        "rms_norm_eps": keys.number("attention.layer_norm_rms_epsilon"),
        "max_position_embeddings": keys.integer("context_length"),
        "rope_theta": keys.number("rope.freq_base", 10000.0),
        "rope_scaling": _rope_scaling(keys),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "num_nextn_predict_layers": nextn,
        "bos_token_id": file.fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": _end_tokens(file.fields),
        "pad_token_id": file.fields.get("tokenizer.ggml.padding_token_id"),
        "attention_bias": False,
        **(_experts(keys, file, layers, vocabulary) if experts else {"n_routed_experts": None}),
    }
    raw["model_type"] = _model_type(raw)
    raw["architectures"] = [_CLASSES[raw["model_type"]]]
    try:
        return ModelConfig.from_dict(raw)
    except FathomError as error:
        if error.code != "config_invalid":
            raise
        malformed(file.path, f"{error.fields['field']}: {error.fields['problem']}")


def _experts(keys: _Keys, file: GGUFFile, layers: int, vocabulary: int) -> dict[str, Any]:
    dense = keys.integer("leading_dense_block_count", 0)
    gating = keys.integer("expert_gating_func", 0)
    if not gating:
        is_glm = vocabulary == GLM_VOCABULARY and layers in (47, 48)
        gating = SIGMOID if is_glm else SOFTMAX
    if gating not in (SOFTMAX, SIGMOID):
        raise FathomError(
            "format_unsupported", what="expert gating function", found=gating, known="1 softmax, 2 sigmoid"
        )
    groups = keys.integer("expert_group_count", 0)
    has_bias = f"blk.{dense}.exp_probs_b.bias" in file.tensors
    return {
        "n_routed_experts": keys.integer("expert_count"),
        "n_shared_experts": keys.integer("expert_shared_count", 0) or None,
        "num_experts_per_tok": keys.integer("expert_used_count"),
        "moe_intermediate_size": keys.integer("expert_feed_forward_length"),
        "first_k_dense_replace": dense,
        "n_group": groups or None,
        "topk_group": keys.integer("expert_group_used_count", 0) or None,
        "scoring_func": "sigmoid" if gating == SIGMOID else "softmax",
        "topk_method": "noaux_tc" if has_bias else "group_limited_greedy" if groups > 1 else "greedy",
        "norm_topk_prob": keys.flag("expert_weights_norm"),
        "routed_scaling_factor": keys.number("expert_weights_scale", 0.0) or 1.0,  # 0: left out
    }


def _rope_scaling(keys: _Keys) -> dict[str, Any] | None:
    kind, factor = keys.text("rope.scaling.type", "none"), keys.number("rope.scaling.factor", 1.0)
    if keys.number("attention.temperature_scale", 0.0) or keys.number("rope.scaling.attn_factor", 1.0) != 1.0:
        raise FathomError(
            "format_unsupported", what="attention scaling", found=keys.path.name, known="YaRN as DeepSeek's"
        )
    if kind == "none" or (kind == "linear" and factor in (0.0, 1.0)):
        return None
    if kind != "yarn":
        raise FathomError("format_unsupported", what="rope scaling", found=kind, known="none, yarn")
    scaling: dict[str, Any] = {
        "type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": keys.integer(
            "rope.scaling.original_context_length", keys.integer("context_length")
        ),
        "beta_fast": keys.number("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": keys.number("rope.scaling.yarn_beta_slow", 1.0),
    }
    if multiplier := keys.number("rope.scaling.yarn_log_multiplier", 0.0):
        scaling["mscale"] = scaling["mscale_all_dim"] = round(multiplier / 0.1, 6)
    return scaling


_CLASSES = {
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "glm4_moe_lite": "Glm4MoeLiteForCausalLM",
}


def _model_type(raw: Mapping[str, Any]) -> str:
    """The files don't say; every field is given, so this is a name for the reader, not a source of defaults."""
    if raw["vocab_size"] == GLM_VOCABULARY:
        return "glm4_moe_lite"
    return "deepseek_v3" if raw.get("topk_method") == "noaux_tc" else "deepseek_v2"


def _end_tokens(fields: Mapping[str, Any]) -> Any:
    """End of text, of turn (GLM's <|user|>) and of message (its <|observation|>): all stop an answer."""
    ids = [fields[key] for key in (f"tokenizer.ggml.{k}_token_id" for k in ("eos", "eot", "eom")) if key in fields]
    unique = [token for i, token in enumerate(ids) if token not in ids[:i]]
    return unique if len(unique) > 1 else unique[0] if unique else None


class _Keys:
    """The architecture's metadata, typed; whatever is missing or of another type is a malformed file."""

    def __init__(self, file: GGUFFile) -> None:
        self.path, self.fields = file.path, file.fields

    def __contains__(self, key: str) -> bool:
        return f"{ARCHITECTURE}.{key}" in self.fields

    def integer(self, key: str, default: int | None = None) -> int:
        """A count; an array of one number a layer is accepted where all layers that use it agree."""
        value = self._get(key, default)
        if isinstance(value, list) and len(used := set(value) - {0}) == 1:
            value = used.pop()
        if type(value) is not int or value < 0:
            malformed(self.path, f"{ARCHITECTURE}.{key} is {_short(value)}, no count")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A float32 as the shortest decimal that names it: 0.707 as config.json had it, not 0.70700001..."""
        value = self._get(key, default)
        if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1e30:
            malformed(self.path, f"{ARCHITECTURE}.{key} is {_short(value)}, no number")
        return float(np.format_float_scientific(np.float32(value)))

    def flag(self, key: str) -> bool:
        value = self._get(key, False)
        if type(value) is not bool:
            malformed(self.path, f"{ARCHITECTURE}.{key} is {_short(value)}, neither true nor false")
        return value

    def text(self, key: str, default: str) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            malformed(self.path, f"{ARCHITECTURE}.{key} is {_short(value)}, no text")
        return value

    def _get(self, key: str, default: Any) -> Any:
        value = self.fields.get(f"{ARCHITECTURE}.{key}", default)
        if value is None:
            malformed(self.path, f"{ARCHITECTURE}.{key} is missing")
        return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else text[:37] + "..."
