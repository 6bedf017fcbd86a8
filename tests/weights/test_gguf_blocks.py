"""GGUF blocks of every type become native matrices without a value changing: bit for bit what the package decodes."""

from __future__ import annotations

from dataclasses import replace

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType

from fathom.config import ModelConfig
from fathom.convert.gguf import architecture_fields
from fathom.errors import FathomError
from fathom.model.program import build_program
from fathom.weights.checkpoint import QUANTIZED, open_checkpoint
from fathom.weights.gguf_read import read_gguf
from fathom.weights.load import load_weights
from fathom.weights.verify import verify
from gguf_tiny import SMALL, save_tiny, write_gguf

ROWS, COLUMNS, EXPERTS = 40, 512, 3
HALVES = {"Q4_0": [0], "Q5_0": [0], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}  # bytes of scales


def random_blocks(kind: str, rows: int, seed: int = 0) -> np.ndarray:
    """Any bits are valid codes; the half-precision scales of a block are drawn so that they are finite."""
    rng = np.random.default_rng(seed)
    block, size = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    data = rng.integers(0, 256, (rows, COLUMNS // block, size), np.uint8)
    for at in HALVES[kind]:
        scales = (rng.standard_normal(data.shape[:2]) * 0.1).astype(np.float16)
        data[:, :, at : at + 2] = scales[..., None].view(np.uint8)
    return data.reshape(rows, -1)


def model(path, tensors):
    keys = architecture_fields(ModelConfig.from_dict(SMALL | {"num_hidden_layers": 1, "n_routed_experts": EXPERTS}))
    return read_gguf(write_gguf(path, keys, tensors | {"blk.0.attn_norm.weight": (np.ones(64, np.float32), "F32")}))


@pytest.mark.parametrize("kind", QUANTIZED)
def test_every_value_of_a_block_type_is_kept(tmp_path, kind) -> None:
    blocks = random_blocks(kind, ROWS)
    checkpoint = model(tmp_path / "a.gguf", {"token_embd.weight": (blocks, kind)})
    values = checkpoint.tensors["model.embed_tokens.weight"].floats()
    assert np.array_equal(values, gguf.quants.dequantize(blocks, GGMLQuantizationType[kind]))


@pytest.mark.parametrize("kind", QUANTIZED)
def test_each_expert_of_a_quantised_stack_has_its_own_values(tmp_path, kind) -> None:
    blocks = random_blocks(kind, EXPERTS * ROWS).reshape(EXPERTS, ROWS, -1)
    checkpoint = model(tmp_path / "a.gguf", {"blk.0.ffn_up_exps.weight": (blocks, kind)})
    for expert in range(EXPERTS):
        values = checkpoint.tensors[f"model.layers.0.mlp.experts.{expert}.up_proj.weight"].floats()
        assert np.array_equal(values, gguf.quants.dequantize(blocks[expert], GGMLQuantizationType[kind]))


def test_further_types_are_decoded_where_a_format_is_asked_for_and_refused_otherwise(tmp_path) -> None:
    save_tiny(tmp_path)
    source = open_checkpoint(tmp_path)
    name = "model.layers.1.mlp.shared_experts.up_proj.weight"
    blocks = gguf.quants.quantize(source.tensors[name].floats(), GGMLQuantizationType.Q5_1)
    blocks.tofile(tmp_path / "blocks")
    ref = replace(source.tensors[name], type="Q5_1", path=tmp_path / "blocks", offset=0, nbytes=blocks.nbytes)
    changed, program = replace(source, tensors=dict(source.tensors) | {name: ref}), build_program(source.config)
    with pytest.raises(FathomError, match=r"Q5_1.*--dtype int8"):
        load_weights(changed, program)
    values = gguf.quants.dequantize(blocks, GGMLQuantizationType.Q5_1)
    assert np.array_equal(load_weights(changed, program, "float32")[name].unpack(), values)
    rounded = load_weights(changed, program, "int8")[name].unpack()
    assert np.abs(rounded - values).max() <= np.abs(values).max() / 250
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fathom.weights.verify.open_checkpoint", lambda path: changed)
        assert verify(tmp_path).ok


@pytest.mark.parametrize("kind", QUANTIZED)
def test_a_scale_that_is_not_finite_is_refused(tmp_path, kind) -> None:
    blocks = random_blocks(kind, ROWS)
    at = HALVES[kind][0]
    blocks[3, at : at + 2] = np.array([np.inf], np.float16).view(np.uint8)
    checkpoint = model(tmp_path / "a.gguf", {"token_embd.weight": (blocks, kind)})
    with pytest.raises(FathomError) as info:
        checkpoint.tensors["model.embed_tokens.weight"].floats()
    assert info.value.code == "tensor_not_finite"
