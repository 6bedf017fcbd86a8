"""Loading: each format is what its rule says, values that can stay exact are exact, every fault is named."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from fathom._native import Matrix
from fathom.convert.gguf import export_gguf
from fathom.errors import FathomError
from fathom.model.formats import storage
from fathom.model.program import Program, build_program
from fathom.weights import checkpoint as checkpoint_module
from fathom.weights.checkpoint import Checkpoint, open_checkpoint
from fathom.weights.load import load_weights, round_bf16
from gguf_tiny import SIGMOID, SMALL, save_tiny

KV_B = "model.layers.0.self_attn.kv_b_proj"
DOWN = "model.layers.1.mlp.experts.3.down_proj.weight"


def opened(path: Path) -> tuple[Checkpoint, Program]:
    checkpoint = open_checkpoint(path)
    return checkpoint, build_program(checkpoint.config)


def values(weight: Matrix | np.ndarray) -> np.ndarray:
    return weight if isinstance(weight, np.ndarray) else weight.unpack()


def save_as(folder: Path, dtype: torch.dtype, **overrides) -> dict[str, np.ndarray]:
    weights = save_tiny(folder, **overrides)  # bfloat16 and half precision hold these values exactly
    tensors = {name: torch.from_numpy(array).to(dtype) for name, array in weights.items()}
    save_torch(tensors, folder / "model.safetensors")
    return weights


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("asked", ["auto", "float32"])
def test_dense_values_are_exact(tmp_path, dtype, asked) -> None:
    weights = save_as(tmp_path, dtype, **SIGMOID)
    loaded = load_weights(*opened(tmp_path), asked)
    assert loaded.keys() == weights.keys()
    for name, array in weights.items():
        assert np.array_equal(values(loaded[name]), array), name
    assert loaded["model.norm.weight"].dtype == np.float32
    assert loaded["model.layers.1.mlp.gate.e_score_correction_bias"].dtype == np.float32


def test_bfloat16_rounds_to_nearest_even(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    noise = np.random.default_rng(1)
    weights = {name: array + noise.standard_normal(array.shape, np.float32) for name, array in weights.items()}
    save_file(weights, tmp_path / "model.safetensors")
    loaded = load_weights(*opened(tmp_path), "bfloat16")
    for name, array in weights.items():
        if array.ndim == 2:
            assert loaded[name].type == "BF16"
            assert np.array_equal(loaded[name].unpack(), torch.from_numpy(array).bfloat16().float().numpy()), name


def test_rounding_covers_ties_subnormals_and_block_ends() -> None:
    patterns = np.random.default_rng(0).integers(0, 2**32, 3 << 19, np.uint32)
    patterns[:4] = (0x3F808000, 0x3F818000, 0x00008000, 0x80000001)
    floats = patterns.view(np.float32)
    floats = floats[np.isfinite(floats)]
    assert np.array_equal(round_bf16(floats), torch.from_numpy(floats).bfloat16().view(torch.uint16).numpy())


@pytest.mark.parametrize("asked", ["int8", "int4"])
@pytest.mark.parametrize("group", [32, 64])
def test_integer_formats_follow_the_rule_by_role(tmp_path, asked, group) -> None:
    weights = save_as(tmp_path, torch.bfloat16)
    checkpoint, program = opened(tmp_path)
    loaded = load_weights(checkpoint, program, asked, group)
    for name, weight in program.weights.items():
        kind, columns = storage(weight, asked, group)
        if kind == "F32":  # norms and the router: as they are
            assert np.array_equal(values(loaded[name]), weights[name]), name
            continue
        assert (loaded[name].type, loaded[name].spec["group"]) == (kind, columns), name
        error = np.abs(loaded[name].unpack() - weights[name]).max()
        assert error <= np.abs(weights[name]).max() * (0.5 / 127 if kind == "int8" else 1 / 8) * 1.01, name
    types = {loaded[f"{name}.weight"].type for name in ("model.embed_tokens", "lm_head", KV_B)}
    assert types == {"int8"}
    assert loaded[DOWN].type == asked


@pytest.mark.parametrize("type", ["F32", "BF16", "Q8_0", "Q4_0"])
def test_gguf_as_stored_and_decoded(tmp_path, type) -> None:
    save_tiny(tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf", type)
    checkpoint, program = opened(tmp_path / "tiny.gguf")
    stored = load_weights(checkpoint, program)
    decoded = load_weights(checkpoint, program, "float32")
    assert decoded.keys() == program.weights.keys()
    if type in ("Q8_0", "Q4_0"):
        assert stored.keys() - decoded.keys() == {
            f"model.layers.{i}.self_attn.kv_b_proj.{h}_b" for i in range(3) for h in "kv"
        }
        assert stored[DOWN].type == {"Q8_0": "int8", "Q4_0": "int4"}[type]
        assert decoded[DOWN].type == "F32"
    for name, ref in checkpoint.tensors.items():
        if name in stored:
            assert np.array_equal(values(stored[name]), ref.floats()), name
            if name in decoded:
                assert np.array_equal(values(decoded[name]), ref.floats()), name


def test_the_halves_of_kv_b_join_to_the_official_matrix(tmp_path) -> None:
    weights = save_tiny(tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf", "BF16")
    checkpoint, program = opened(tmp_path / "tiny.gguf")
    assert f"{KV_B}.weight" not in checkpoint.tensors
    for asked in ("auto", "float32", "bfloat16"):
        assert np.array_equal(
            load_weights(checkpoint, program, asked)[f"{KV_B}.weight"].unpack(), weights[f"{KV_B}.weight"]
        )
    assert load_weights(checkpoint, program, "int4")[f"{KV_B}.weight"].type == "int8"


def test_quantised_sources_are_never_rounded_twice(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf", "Q4_0")
    checkpoint, program = opened(tmp_path / "tiny.gguf")
    loaded = {asked: load_weights(checkpoint, program, asked) for asked in ("auto", "int8", "int4")}
    for asked in ("int8", "int4"):
        assert loaded[asked].keys() == loaded["auto"].keys()
        for name, weight in loaded["auto"].items():
            if asked == "int8" or checkpoint.tensors[name].type == "Q4_0":
                assert np.array_equal(values(weight), values(loaded[asked][name])), name


def maps_below(folder) -> int:
    """Mapped files of this folder; models of other tests may be alive in the same process."""
    return sum(path.is_relative_to(folder) for path, _, _ in checkpoint_module._maps)


def test_stored_matrices_are_copies_that_outlive_the_file_and_leave_nothing_mapped(tmp_path) -> None:
    weights = save_as(tmp_path, torch.bfloat16)
    loaded = load_weights(*opened(tmp_path))
    gc.collect()
    assert maps_below(tmp_path) == 0
    (tmp_path / "model.safetensors").unlink()
    assert np.array_equal(loaded["lm_head.weight"].unpack(), weights["lm_head.weight"])


def test_progress_counts_bytes(tmp_path) -> None:
    save_tiny(tmp_path)
    checkpoint, program = opened(tmp_path)
    seen: list[tuple[int, int]] = []
    load_weights(checkpoint, program, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (checkpoint.nbytes, checkpoint.nbytes)
    assert seen == sorted(seen)


def changed(folder: Path, name: str, array: np.ndarray | None, **overrides) -> FathomError:
    """The error of loading after one tensor was replaced or removed."""
    weights = save_tiny(folder, **overrides)
    weights = {key: weights[key] for key in weights if key != name} | ({name: array} if array is not None else {})
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(FathomError) as caught:
        load_weights(*opened(folder), "auto")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_tensor_is_named(tmp_path) -> None:
    error = changed(tmp_path, DOWN, None)
    assert (error.code, error.fields["name"]) == ("tensor_missing", DOWN)


def test_a_wrong_shape_is_named_with_both(tmp_path) -> None:
    error = changed(tmp_path, DOWN, np.zeros((32, 64), np.float32))
    assert error.code == "tensor_shape"
    assert f"tensor {DOWN} has shape [32, 64], the configuration asks for [64, 32]" in str(error)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [DOWN, "model.norm.weight", "model.embed_tokens.weight"])
@pytest.mark.parametrize("asked", ["auto", "bfloat16", "int4"])
def test_values_that_are_not_finite_are_named(tmp_path, bad, name, asked) -> None:
    weights = save_tiny(tmp_path)
    weights[name].reshape(-1)[-1] = bad
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(FathomError, match="NaN or infinite") as caught:
        load_weights(*opened(tmp_path), asked)
    assert caught.value.fields["name"] == name


def test_fp8_is_refused_by_name(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    tensors[DOWN] = tensors[DOWN].to(torch.float8_e4m3fn)
    tensors[DOWN.replace("weight", "weight_scale_inv")] = torch.ones(1, 1)
    save_torch(tensors, tmp_path / "model.safetensors")
    with pytest.raises(FathomError, match="type F8_E4M3 can't be used here; known: F32, F16, BF16") as caught:
        load_weights(*opened(tmp_path))
    assert caught.value.fields["name"] == DOWN


@pytest.mark.parametrize(("dtype", "group"), [("int3", 32), ("float64", 32), ("int4", 48)])
def test_unknown_formats_are_refused(tmp_path, dtype, group) -> None:
    save_tiny(tmp_path)
    with pytest.raises(FathomError, match="is unknown; choose one of"):
        load_weights(*opened(tmp_path), dtype, group)


def test_a_tied_head_needs_one_table(tmp_path) -> None:
    save_tiny(tmp_path, tie_word_embeddings=True)
    loaded = load_weights(*opened(tmp_path), "int4")
    assert "lm_head.weight" not in loaded
    assert loaded["model.embed_tokens.weight"].type == "int8"


def test_configuration_and_weights_must_agree(tmp_path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SMALL | {"n_routed_experts": 8}))
    with pytest.raises(FathomError, match=r"has shape \[4, 64\], the configuration asks for \[8, 64\]"):
        load_weights(*opened(tmp_path))
