"""Verification names every fault of a checkpoint at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from fathom.convert.gguf import export_gguf
from fathom.convert.quantize import quantize
from fathom.weights.checkpoint import open_checkpoint
from fathom.weights.verify import Shape, verify
from gguf_tiny import save_tiny

UP = "model.layers.2.mlp.experts.1.up_proj.weight"


def test_all_faults_are_named(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    del weights["model.norm.weight"], weights["model.layers.1.mlp.experts.0.gate_proj.weight"]
    weights["model.layers.0.self_attn.o_proj.bias"] = np.zeros(64, np.float32)
    weights["lm_head.weight"] = np.zeros((41, 64), np.float32)
    weights[UP][0, 0] = np.inf
    weights["model.layers.3.enorm.weight"] = np.zeros(64, np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    report = verify(tmp_path)
    assert not report.ok
    assert set(report.missing) == {"model.norm.weight", "model.layers.1.mlp.experts.0.gate_proj.weight"}
    assert report.unexpected == ("model.layers.0.self_attn.o_proj.bias",)
    assert report.misshaped == (Shape("lm_head.weight", (41, 64), (40, 64)),)
    assert report.not_finite == (UP,)
    assert report.unused == ("model.layers.3.enorm.weight",)
    assert verify(tmp_path, values=False).not_finite == ()


def test_unused_prediction_layers_are_no_fault(tmp_path) -> None:
    weights = save_tiny(tmp_path)
    save_file(weights | {"model.layers.3.eh_proj.weight": np.zeros((4, 4), np.float32)}, tmp_path / "model.safetensors")
    report = verify(tmp_path)
    assert report.ok
    assert report.unused == ("model.layers.3.eh_proj.weight",)
    assert (report.tensors, report.format) == (len(weights), "safetensors")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_infinities_are_found(tmp_path, dtype) -> None:
    tensors = {name: torch.from_numpy(array).to(dtype) for name, array in save_tiny(tmp_path).items()}
    tensors[UP][1, 1] = torch.nan
    tensors["model.norm.weight"][0] = torch.inf
    save_torch(tensors, tmp_path / "model.safetensors")
    assert set(verify(tmp_path).not_finite) == {UP, "model.norm.weight"}


def test_unsupported_types_are_named(tmp_path) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in save_tiny(tmp_path).items()}
    tensors[UP] = tensors[UP].to(torch.float8_e4m3fn)
    save_torch(tensors, tmp_path / "model.safetensors")
    report = verify(tmp_path)
    assert report.unsupported == ((UP, "F8_E4M3"),)
    assert not report.ok


@pytest.mark.parametrize("type", ["F32", "Q4_0"])
def test_gguf(tmp_path, type) -> None:
    save_tiny(tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf", type)
    report = verify(tmp_path / "tiny.gguf")
    assert (report.ok, report.format) == (True, "gguf")
    broken(tmp_path / "tiny.gguf", open_checkpoint(tmp_path / "tiny.gguf").tensors[UP].offset)
    assert verify(tmp_path / "tiny.gguf").not_finite == (UP,)


def test_packed(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    quantize(tmp_path / "source", tmp_path / "packed", "int4")
    ref = open_checkpoint(tmp_path / "packed").tensors[UP]
    broken(ref.path, ref.offset + ref.nbytes - 64)  # among the scales, which lie last
    assert verify(tmp_path / "packed").not_finite == (UP,)


def broken(path: Path, offset: int) -> None:
    """A value that is infinite as a half-precision number and in the upper half of a float32."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes.fromhex("007c807f"))
