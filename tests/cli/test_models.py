"""What is on this machine and what it consists of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(request, tmp_path) -> Path:
    """A copy of a model that may be damaged."""
    from fathom.hub.store import resolve

    return Path(shutil.copytree(resolve(request.getfixturevalue("mini")), tmp_path / "model"))


def test_program_names_every_op_with_bytes_and_flops_that_add_up(fathom, mini) -> None:
    shape = json.loads(fathom("models", "show", mini, "--program", "--context", "100", "--json").out)
    ops = shape["ops"]
    assert sum(op["bytes"] for op in ops) == shape["bytes_per_token"]
    assert sum(op["flops"] for op in ops) == shape["flops_per_token"]
    assert {"embedding", "latent_attention", "router", "experts", "head"} <= {op["kind"] for op in ops}
    assert len({op["name"] for op in ops}) == len(ops)


def test_program_is_a_table_with_a_total(fathom, mini) -> None:
    lines = fathom("models", "show", mini, "--program").out.splitlines()
    assert "FLOPs" in lines[0]
    assert any("latent_attention" in line for line in lines)
    assert any("ops" in line and "parameters" in line for line in lines)
    assert "kv_a 160" in lines[-1]
    assert all(line == line.rstrip() and "\x1b" not in line for line in lines)


def test_published_models_are_shown_without_weights(fathom) -> None:
    shape = json.loads(fathom("models", "show", "DeepSeek-V2-Lite", "--dtype", "int4", "--json").out)
    assert 15.5e9 < shape["parameters"] < 16e9
    assert shape["weight_bytes"] < 10 << 30
    assert shape["format"] == "int4"


def test_unknown_format_is_named(fathom, mini) -> None:
    for option in ("--dtype", "--cache-dtype"):
        done = fathom("models", "show", mini, option, "int3")
        assert (done.code, done.out) == (2, "")
        assert f"{option} 'int3'" in done.err


def test_verify_is_quiet_about_a_whole_model(fathom, mini) -> None:
    done = fathom("models", "verify", mini)
    assert (done.code, done.out.count("\n")) == (0, 1)


def test_verify_names_missing_and_misshaped_tensors(fathom, folder) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] += 1
    config["intermediate_size"] += 64
    (folder / "config.json").write_text(json.dumps(config))
    done = fathom("models", "verify", folder)
    assert done.code == 1
    assert f"missing: model.layers.{config['num_hidden_layers'] - 1}.input_layernorm.weight" in done.out
    assert "mis-shaped: model.layers.0.mlp.gate_proj.weight" in done.out
    report = json.loads(fathom("models", "verify", folder, "--json").out)
    assert not report["ok"]
    assert report["misshaped"]


def test_empty_store_is_an_empty_list(fathom) -> None:
    assert json.loads(fathom("models", "list", "--json").out) is not None
    assert fathom("models", "list").code == 0


def test_remove_never_asks_without_a_terminal(fathom, folder) -> None:
    done = fathom("models", "remove", folder)
    assert done.code == 1
    assert "--yes" in done.err
    assert folder.exists()


def test_quantize_export_and_reading_both_back(fathom, mini, tmp_path) -> None:
    packed, gguf = tmp_path / "int8", tmp_path / "model.gguf"
    assert fathom("quantize", mini, packed, "--format", "int8").code == 0
    assert fathom("models", "verify", packed).code == 0
    assert json.loads(fathom("models", "show", packed, "--json").out)["format"] == "packed"
    assert fathom("export", packed, gguf, "--type", "Q8_0").code == 0
    done = fathom("models", "show", gguf, "--json")
    assert json.loads(done.out)["format"] == "gguf"
    again = fathom("export", packed, gguf)
    assert (again.code, again.out) == (1, "")
    assert "exists already" in again.err


def test_formats_that_do_not_exist_are_named(fathom, mini, tmp_path) -> None:
    for command in (
        ("quantize", mini, tmp_path / "a", "--format", "int5"),
        ("export", mini, tmp_path / "b", "--type", "Q9"),
    ):
        done = fathom(*command)
        assert (done.code, done.out) == (2, "")
        assert command[-1] in done.err
        assert not Path(command[2]).exists()


def test_trace_finds_no_difference_between_a_model_and_itself(fathom, mini) -> None:
    assert fathom("trace", mini, "--prompt", "你好").code == 0


def test_trace_names_the_op_that_differs(fathom, mini, folder) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["rms_norm_eps"] = 0.5
    (folder / "config.json").write_text(json.dumps(config))
    done = fathom("trace", mini, folder, "--prompt", "你好", "--json")
    assert done.code == 1
    assert json.loads(done.out)["first"]["op"] == "model.layers.0.input_layernorm"


def test_dummy_names_what_is_published(fathom, tmp_path) -> None:
    done = fathom("dummy", "DeepSeek-V99", tmp_path / "dummy")
    assert (done.code, done.out) == (2, "")
    assert "DeepSeek-V2-Lite" in done.err


def test_dummy_weights_are_made_once_and_can_be_talked_to(fathom, monkeypatch, mini) -> None:
    from fathom.hub.store import resolve
    from fathom.weights.published import published_models

    if mini != "mini":
        pytest.skip("needs the shipped model, whose tokenizer dummies use")
    monkeypatch.setitem(published_models(), "Tiny", json.loads((resolve(mini) / "config.json").read_text()))
    call = ("chat", "hello", "--dummy", "Tiny", "--max-tokens", "4", "--temperature", "0")
    first = fathom(*call)
    assert first.code == 0
    made = json.loads(fathom("models", "list", "--json").out)
    assert "dummy/Tiny-int4" in {model["name"] for model in made}
    assert fathom(*call).out == first.out
    assert fathom("models", "remove", "dummy/Tiny-int4", "--yes").code == 0
