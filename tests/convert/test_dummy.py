"""Dummy weights: published shapes count right, files are checkpoints like any other, seeds decide the content."""

from __future__ import annotations

import numpy as np
import pytest

from fathom.config import ModelConfig
from fathom.convert.dummy import make_dummy
from fathom.errors import FathomError
from fathom.model.program import build_program
from fathom.weights.checkpoint import open_checkpoint
from fathom.weights.dummy import dummy_weights
from fathom.weights.load import load_weights
from fathom.weights.published import published_config, published_models
from fathom.weights.verify import verify
from gguf_tiny import SIGMOID, SMALL


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("DeepSeek-V2-Lite", 15_706_484_224),  # published
        ("DeepSeek-V2", 235_741_434_880),  # published
        ("Moonlight-16B-A3B", 15.96e9),  # published: 15.29 B without embedding and head
        ("GLM-4.7-Flash", 29.9e9),
        ("Kanana-2-30B-A3B", 30.7e9),
        ("GigaChat3-10B-A1.8B", 10.6e9),
    ],
)
def test_parameter_counts(name, parameters) -> None:
    config = published_config(name.lower())
    assert config is not None
    found = build_program(config).parameters
    assert found == parameters if isinstance(parameters, int) else found == pytest.approx(parameters, rel=0.005)


@pytest.mark.parametrize("format", ["bf16", "f32", "int8", "int4"])
def test_a_dummy_folder_is_a_whole_checkpoint(tmp_path, monkeypatch, format) -> None:
    monkeypatch.setitem(published_models(), "tiny", SMALL | SIGMOID)
    make_dummy("tiny", tmp_path / "a", format, seed=1)
    make_dummy("tiny", tmp_path / "b", format, seed=1)
    make_dummy("tiny", tmp_path / "c", format, seed=2)
    assert verify(tmp_path / "a").ok
    one, same, other = ((tmp_path / folder / "model.safetensors").read_bytes() for folder in "abc")
    assert one == same != other
    checkpoint = open_checkpoint(tmp_path / "a")
    assert checkpoint.format == ("packed" if format.startswith("int") else "safetensors")
    embedding = checkpoint.tensors["model.embed_tokens.weight"].floats()
    assert embedding.std() == pytest.approx(0.02, rel=0.1)


def test_in_memory_equals_on_disk(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(published_models(), "tiny", SMALL)
    make_dummy("tiny", tmp_path / "a", "int4", seed=3)
    checkpoint = open_checkpoint(tmp_path / "a")
    program = build_program(checkpoint.config)
    stored, drawn = load_weights(checkpoint, program), dummy_weights(program, "int4", seed=3)
    assert stored.keys() == drawn.keys()
    for name, weight in drawn.items():
        assert type(weight) is type(stored[name])
        if not isinstance(weight, np.ndarray) and weight.type.startswith("int"):
            assert weight.spec == stored[name].spec
    pointers = [weight.blob().ctypes.data for weight in drawn.values() if getattr(weight, "type", "") == "int4"]
    assert len(set(pointers)) == len(pointers)  # every matrix has memory of its own


def test_fewer_layers_and_unknown_names(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(published_models(), "tiny", SMALL)
    make_dummy("tiny", tmp_path / "a", "bf16", layers=2)
    assert open_checkpoint(tmp_path / "a").config.num_hidden_layers == 2
    with pytest.raises(FathomError, match="'GPT-4' is unknown; choose one of DeepSeek-V2-Lite"):
        make_dummy("GPT-4", tmp_path / "b")
    with pytest.raises(FathomError, match="choose one of"):
        make_dummy("tiny", tmp_path / "b", "int2")


def test_large_configurations_stay_cheap_to_describe() -> None:
    config = ModelConfig.from_dict(published_models()["DeepSeek-V2"])
    assert len(build_program(config).weights) > 28_000
