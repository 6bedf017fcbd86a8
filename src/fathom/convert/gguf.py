"""A checkpoint as one GGUF file that llama.cpp loads, written tensor by tensor.

Matrices take the wanted type, vectors and the router stay F32. As llama-quantize does, rows that are no multiple of 32
become F16; in Q4_0 files the embedding, the head and the halves of kv_b_proj are Q8_0. Experts are stacked, the key
half of kv_b_proj is transposed a head; all but it leaves fathom's int8 (to Q8_0) and int4 (to Q4_0) of 32 columns
a scale with every value unchanged. What llama.cpp could not load, or would compute otherwise, is refused before
a byte is written: it tells files with and without q_lora_rank apart by their number of layers, and has no field for
some of YaRN.
Source: ggml-org/llama.cpp, src/models/deepseek2.cpp, conversion/deepseek.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, LlamaFileType
from gguf.gguf_writer import GGUFWriter, WriterState
from gguf.quants import quantize
from numpy.typing import NDArray

from fathom.config import ModelConfig
from fathom.convert.gguf_vocab import vocabulary_fields
from fathom.errors import FathomError
from fathom.files import atomic_file, check_space
from fathom.model.program import build_program
from fathom.weights.checkpoint import QUANTIZED, Checkpoint, TensorRef
from fathom.weights.gguf_read import ARCHITECTURE, LAYER_NAMES, MODEL_NAMES, SIGMOID, SOFTMAX
from fathom.weights.names import split_kv_b

__all__ = ["TYPES", "architecture_fields", "export_gguf"]

TYPES = ("F32", "BF16", "Q8_0", "Q4_0")
_FILE_TYPES = {
    "F32": LlamaFileType.ALL_F32,
    "BF16": LlamaFileType.MOSTLY_BF16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": LlamaFileType.MOSTLY_Q4_0,
}
_QUANTIZATION_VERSION = 2
_STAYS_FLOAT = ("ffn_gate_inp", "exp_probs_b")
_FINE_IN_Q4 = ("token_embd", "output", "attn_k_b", "attn_v_b")
_STORED_MODEL = {official: stored for stored, official in MODEL_NAMES.items()}
_STORED_LAYER = {official: stored for stored, official in LAYER_NAMES.items()}

Values = Callable[[TensorRef], NDArray[np.float32]]
Progress = Callable[[int, int], None]  # bytes written, bytes in all


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One tensor of the file: the parts that follow one another in it and how their values are obtained."""

    name: str
    shape: tuple[int, ...]
    type: GGMLQuantizationType
    parts: tuple[TensorRef, ...]
    values: Values | None = None  # None: as they are

    @property
    def nbytes(self) -> int:
        block, size = GGML_QUANT_SIZES[self.type]
        return int(math.prod(self.shape) // block * size)


def export_gguf(checkpoint: Checkpoint, dst: str | Path, type: str = "F32", progress: Progress | None = None) -> None:
    """Write ``checkpoint`` to the file ``dst``, which appears only when it is complete."""
    if type not in TYPES:
        raise FathomError("choice_unknown", what="GGUF type", found=type, known=", ".join(TYPES))
    if problem := _obstacle(checkpoint.config):
        raise FathomError("export_refused", path=checkpoint.path, problem=problem)
    dst = Path(dst)
    if dst.suffix != ".gguf":
        raise FathomError("file_unreadable", path=dst, problem="the name of a GGUF file ends in .gguf")
    if dst.exists():
        raise FathomError("file_unreadable", path=dst, problem="exists already; remove it or choose another name")
    fields = _fields(checkpoint, type)
    tensors = list(_plan(checkpoint, type))
    total = sum(tensor.nbytes for tensor in tensors)
    with atomic_file(dst) as file:
        check_space(dst, total)
        writer = _writer(file, fields, tensors)
        done = 0
        for tensor in tensors:
            writer.write_padding(file, file.tell())
            for part in tensor.parts:
                done += file.write(_encode(part, tensor).data)
                if progress:
                    progress(done, total)
        writer.write_padding(file, file.tell())


def _writer(file: BinaryIO, fields: Mapping[str, Any], tensors: list[_Tensor]) -> GGUFWriter:
    """The package's writer with header, metadata and tensor table written; the data is streamed behind it."""
    writer = GGUFWriter(None, ARCHITECTURE)
    for key, value in fields.items():
        writer.add_key_value(key, value, GGUFValueType.UINT32 if _is_count(value) else GGUFValueType.get_type(value))
    for tensor in tensors:
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), tensor.nbytes, tensor.type)
    writer.fout, writer.state = [file], WriterState.EMPTY
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _encode(ref: TensorRef, tensor: _Tensor) -> NDArray[Any]:
    """One part in the tensor's type; blocks that have it already are passed on as they are."""
    if tensor.values is None and ref.type == tensor.type.name and ref.type in QUANTIZED:
        return ref.read()
    values = tensor.values(ref) if tensor.values else ref.floats()
    if not np.isfinite(values).all():
        raise FathomError("tensor_not_finite", name=ref.name)
    return np.ascontiguousarray(quantize(values.reshape(-1, tensor.shape[-1]), tensor.type))


def _plan(checkpoint: Checkpoint, type: str) -> Iterator[_Tensor]:
    """All tensors in the order of the program; names and shapes are those its weights have."""
    stored = checkpoint.tensors
    config = checkpoint.config

    def take(name: str, shape: tuple[int, ...]) -> TensorRef:
        if (ref := checkpoint.tensor(name)).shape != shape:
            raise FathomError("tensor_shape", name=name, found=ref.shape, expected=shape)
        return ref

    def tensor(
        name: str, shape: tuple[int, ...], parts: tuple[TensorRef, ...], values: Values | None = None
    ) -> _Tensor:
        return _Tensor(name, shape, _type(name, shape, type), parts, values)

    for weight in build_program(config).weights.values():
        name, shape = weight.name, weight.shape
        layer, _, tail = name.removeprefix("model.layers.").partition(".")
        if name in _STORED_MODEL:
            yield tensor(_STORED_MODEL[name], shape, (take(name, shape),))
        elif weight.role == "kv_b":
            yield from _halves(f"blk.{layer}", name, config, stored, take, tensor)
        elif tail in _STORED_LAYER:
            yield tensor(f"blk.{layer}.{_STORED_LAYER[tail]}", shape, (take(name, shape),))
        elif tail.startswith("mlp.experts.0."):
            matrix = tail.removeprefix("mlp.experts.0.")
            names = (f"model.layers.{layer}.mlp.experts.{e}.{matrix}" for e in range(config.n_routed_experts or 0))
            parts = tuple(take(expert, shape) for expert in names)
            stack = f"blk.{layer}.ffn_{matrix.removesuffix('_proj.weight')}_exps.weight"
            yield tensor(stack, (len(parts), *shape), parts)


def _halves(
    block: str,
    name: str,
    config: ModelConfig,
    stored: Mapping[str, TensorRef],
    take: Callable[[str, tuple[int, ...]], TensorRef],
    tensor: Callable[..., _Tensor],
) -> Iterator[_Tensor]:
    """kv_b_proj, a head nope key rows and then value rows, as attn_k_b (transposed) and attn_v_b."""
    heads, rank = config.num_attention_heads, config.kv_lora_rank
    nope, value = config.qk_nope_head_dim, config.v_head_dim
    k_shape, v_shape = (heads, rank, nope), (heads, value, rank)
    if name in stored:
        whole = take(name, (heads * (nope + value), rank))

        def per_head(ref: TensorRef) -> NDArray[np.float32]:
            return ref.floats().reshape(heads, nope + value, rank)

        yield tensor(f"{block}.attn_k_b.weight", k_shape, (whole,), lambda ref: per_head(ref)[:, :nope].swapaxes(1, 2))
        yield tensor(f"{block}.attn_v_b.weight", v_shape, (whole,), lambda ref: per_head(ref)[:, nope:])
    else:
        (k_name, k_flat), (v_name, v_flat) = split_kv_b(name, config).items()
        yield tensor(f"{block}.attn_k_b.weight", k_shape, (take(k_name, k_flat),))
        yield tensor(f"{block}.attn_v_b.weight", v_shape, (take(v_name, v_flat),))


def _type(name: str, shape: tuple[int, ...], type: str) -> GGMLQuantizationType:
    kind = name.split(".")[-2]  # blk.3.attn_output.weight
    if len(shape) == 1 or kind in _STAYS_FLOAT:
        return GGMLQuantizationType.F32
    if type == "Q4_0" and kind in _FINE_IN_Q4:
        type = "Q8_0"
    wanted = GGMLQuantizationType[type]
    return GGMLQuantizationType.F16 if shape[-1] % GGML_QUANT_SIZES[wanted][0] else wanted


def _obstacle(config: ModelConfig) -> str | None:
    """Why llama.cpp would not load this model, or would compute something else; None where it is fine."""
    layers, rope = config.num_hidden_layers, config.rope
    takes_plain_q = layers in (26, 27) or (layers == 48 and config.vocab_size == 128256)
    if takes_plain_q != (config.q_lora_rank is None):
        has = "no q_lora_rank" if config.q_lora_rank is None else f"q_lora_rank {config.q_lora_rank}"
        return (
            f"it has {layers} layers and {has}; llama.cpp expects plain q_proj for 26 or 27 layers (and 48 with a "
            "vocabulary of 128256) and q_lora_rank for any other number"
        )
    moe = [config.is_moe_layer(layer) for layer in range(layers)]
    if moe != sorted(moe):
        return "its dense and its expert layers alternate; GGUF has dense layers first"
    if any(moe) and not config.n_shared_experts:
        return "it has experts but no shared experts, which llama.cpp requires"
    groups, kept = config.n_group or 1, config.topk_group or 1
    if any(moe) and groups > 1 and not (kept < groups < (config.n_routed_experts or 0)):
        return f"llama.cpp needs fewer kept groups than groups and fewer groups than experts, not {kept} of {groups}"
    if config.attention_bias:
        return "GGUF has no attention biases for this architecture"
    if not rope.interleave:
        return "its rotary pairs are halves; GGUF has them interleaved"
    if rope.type == "yarn" and (not rope.mscale_all_dim or abs(rope.cos_sin_factor - 1.0) > 1e-6):
        return f"GGUF carries one mscale for both, not mscale {rope.mscale} and mscale_all_dim {rope.mscale_all_dim}"
    return None


def _fields(checkpoint: Checkpoint, type: str) -> dict[str, Any]:
    return {
        "general.name": checkpoint.path.stem,
        "general.type": "model",
        "general.file_type": int(_FILE_TYPES[type]),
        "general.quantization_version": _QUANTIZATION_VERSION,
        **architecture_fields(checkpoint.config),
        **_tokenizer_fields(checkpoint),
    }


def architecture_fields(config: ModelConfig) -> dict[str, Any]:
    """The metadata that describes the network."""
    layers = config.num_hidden_layers
    fields: dict[str, Any] = {
        "block_count": layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "leading_dense_block_count": sum(not config.is_moe_layer(layer) for layer in range(layers)),
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": 1,  # absorbed, all heads share the latent
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.kv_lora_rank": config.kv_lora_rank,
        "attention.key_length": config.kv_lora_rank + config.qk_rope_head_dim,
        "attention.value_length": config.kv_lora_rank,
        "attention.key_length_mla": config.qk_head_dim,
        "attention.value_length_mla": config.v_head_dim,
        "rope.dimension_count": config.qk_rope_head_dim,
        "rope.freq_base": config.rope.theta,
    }
    if config.q_lora_rank is not None:
        fields["attention.q_lora_rank"] = config.q_lora_rank
    if config.rope.type == "yarn":
        fields |= {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": config.rope.factor,
            "rope.scaling.original_context_length": config.rope.original_max_position_embeddings,
            "rope.scaling.yarn_beta_fast": config.rope.beta_fast,
            "rope.scaling.yarn_beta_slow": config.rope.beta_slow,
            "rope.scaling.yarn_log_multiplier": 0.1 * config.rope.mscale_all_dim,
        }
    return {f"{ARCHITECTURE}.{key}": value for key, value in (fields | _expert_fields(config)).items()}


def _expert_fields(config: ModelConfig) -> dict[str, Any]:
    if not config.n_routed_experts:  # two keys are required all the same
        return {"expert_feed_forward_length": config.intermediate_size, "expert_shared_count": 0}
    fields = {
        "expert_feed_forward_length": config.moe_intermediate_size,
        "expert_shared_count": config.n_shared_experts,
        "expert_count": config.n_routed_experts,
        "expert_used_count": config.num_experts_per_tok,
        "expert_weights_scale": config.routed_scaling_factor,
        "expert_weights_norm": config.norm_topk_prob,
        "expert_gating_func": SIGMOID if config.scoring_func == "sigmoid" else SOFTMAX,
    }
    if (config.n_group or 1) > 1 and config.topk_method != "greedy":
        fields |= {"expert_group_count": config.n_group, "expert_group_used_count": config.topk_group}
    return fields


def _tokenizer_fields(checkpoint: Checkpoint) -> dict[str, Any]:
    """The vocabulary: taken over from a GGUF, made from tokenizer.json, or declared absent."""
    fields: dict[str, Any]
    files, config = checkpoint.tokenizer_files, checkpoint.config
    if checkpoint.format == "gguf":
        return {key: value for key, value in checkpoint.metadata.items() if key.startswith("tokenizer.")}
    if "tokenizer.json" not in files:
        return {"tokenizer.ggml.model": "no_vocab"}
    try:
        tokenizer = json.loads(_text(files["tokenizer.json"]))
        settings = json.loads(_text(files["tokenizer_config.json"])) if "tokenizer_config.json" in files else {}
        if "chat_template.jinja" in files:
            settings["chat_template"] = _text(files["chat_template.jinja"])
        fields = vocabulary_fields(tokenizer, settings, config.vocab_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FathomError("file_malformed", path=checkpoint.path, format="tokenizer", problem=error) from None
    ends = dict(zip(("eos", "eot", "eom"), config.eos_token_ids, strict=False))
    ids = {f"tokenizer.ggml.{kind}_token_id": token for kind, token in ends.items()}
    if config.bos_token_id is not None:
        fields.setdefault("tokenizer.ggml.bos_token_id", config.bos_token_id)
    return fields | ids


def _text(file: Path | str) -> str:
    return file.read_text("utf-8") if isinstance(file, Path) else file
