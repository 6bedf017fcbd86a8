"""Any checkpoint loads into the PyTorch executor; an official one needs nothing but NumPy and PyTorch."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from fathom.convert.gguf import export_gguf
from fathom.convert.quantize import quantize
from fathom.errors import FathomError
from fathom.reference import load_model
from fathom.weights.checkpoint import open_checkpoint
from parity.cases import case


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_official_tensors_arrive_unchanged(dtype, tmp_path):
    for name, tensor in load_model(case("v3").save(tmp_path), dtype).state_dict().items():
        assert torch.equal(tensor.float(), case("v3").weights[name].float()), name
        bias = name.endswith("e_score_correction_bias")
        assert tensor.dtype == (torch.float32 if bias else getattr(torch, dtype))


@pytest.mark.parametrize("format", ["int8", "int4"])
def test_packed_weights_are_decoded_exactly(format, tmp_path):
    packed = open_checkpoint(quantize(case("v2").save(tmp_path / "src"), tmp_path / "packed", format, 32))
    state = load_model(packed.path).state_dict()
    for name, ref in packed.tensors.items():
        assert torch.equal(state[name], torch.from_numpy(ref.floats())), name
    assert any(ref.type == "packed" for ref in packed.tensors.values())


def test_a_gguf_with_split_kv_b_gives_the_official_matrix(tmp_path):
    export_gguf(open_checkpoint(case("v2").save(tmp_path / "src")), tmp_path / "model.gguf", "F32")
    assert not any(name.endswith("kv_b_proj.weight") for name in open_checkpoint(tmp_path / "model.gguf").tensors)
    state = load_model(tmp_path / "model.gguf").state_dict()
    for name, tensor in case("v2").weights.items():
        assert torch.equal(state[name], tensor.float()), name


def test_what_does_not_load_is_one_error_line(tmp_path):
    weights = dict(case("v2_lite").weights)
    folder = case("v2_lite").save(tmp_path, weights)
    with pytest.raises(FathomError, match="int8"):
        load_model(folder, "int8")
    with pytest.raises(FathomError, match="no/such"):
        load_model("no/such")
    name = "model.layers.1.mlp.experts.3.up_proj.weight"
    case("v2_lite").save(folder, {**weights, name: torch.zeros(48, 64)})
    with pytest.raises(FathomError, match=name):
        load_model(folder)
    del weights[name]
    case("v2_lite").save(folder, weights)
    with pytest.raises(FathomError, match=name):
        load_model(folder)


def test_an_official_checkpoint_needs_neither_the_extension_nor_the_core_dependencies(tmp_path):
    folder = case("v2_lite").save(tmp_path)
    absent = ["fathom._native", "pydantic", "gguf", "huggingface_hub", "tokenizers", "safetensors", "jinja2", "httpx"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
import torch
from fathom.reference import load_model
print(tuple(load_model({str(folder)!r})(torch.tensor([[1, 2]])).shape))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("(1, 2, 512)\n", "", 0)
