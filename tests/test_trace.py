"""``trace`` finds by name what was planted: one value, one rope setting, one quantised block; and nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import quantize as quantize_blocks

from fathom.convert.gguf import export_gguf
from fathom.convert.quantize import quantize
from fathom.errors import FathomError
from fathom.trace import trace_models
from fathom.weights.checkpoint import open_checkpoint
from parity.cases import Case, case, yarn

PROMPT = case("v2_lite").tokens[0, :24].tolist()
UP = "model.layers.1.mlp.experts.{}.up_proj.weight"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return case("v2_lite").save(tmp_path_factory.mktemp("trace") / "good")


@pytest.fixture(scope="module")
def int4(good) -> Path:
    return Path(quantize(good, good.with_name("int4"), "int4", 32))


@pytest.fixture(scope="module")
def gguf(good) -> Path:
    file = good.with_name("good.gguf")
    export_gguf(open_checkpoint(case("v2").save(good.with_name("v2"))), file, "Q4_0")
    return file


def planted(folder: Path, good: Path, **settings) -> Path:
    return Case("v2_lite", {**case("v2_lite").config, **settings}).save(folder)


def test_executors_agree_on_the_same_checkpoint(good):
    report = trace_models(good, good, PROMPT, executor_b="reference")
    assert report.first is None
    assert report.cause is None
    assert len(report.ops) == 45
    assert max(d.relative for d in report.ops) < 1e-4
    assert report.verdict == "45 of 45 ops agree within 0.001 of their RMS"


@pytest.mark.parametrize("executor_b", ["native", "reference"])
def test_a_planted_value_is_named_by_tensor_and_row(good, tmp_path, executor_b):
    weights = dict(case("v2_lite").weights)
    expert = used_expert(good)
    name = UP.format(expert)
    weights[name] = weights[name].clone()
    weights[name][17, 5] += 2
    case("v2_lite").save(tmp_path, weights)
    report = trace_models(good, tmp_path, PROMPT, executor_b=executor_b)
    assert report.first.op == "model.layers.1.mlp.experts"
    assert (report.cause, report.weight.tensor, report.weight.row, report.weight.column) == ("weight", name, 17, 5)
    assert name in report.verdict


def used_expert(folder: Path) -> int:
    """An expert that the prompt's first token goes to in layer 1."""
    from fathom.reference import load_model

    seen = {}
    load_model(folder).observe(PROMPT, seen.__setitem__)
    return int(seen["model.layers.1.mlp.gate"][0, 0])


@pytest.mark.parametrize(
    ("settings", "op", "named"),
    [
        ({"rope_theta": 20000.0}, "q_pe", "rope.theta"),
        ({"rope_scaling": {**yarn(0.707, 0.707), "beta_slow": 8}}, "q_pe", "rope.beta_slow"),
        ({"rope_scaling": {**yarn(0.707, 0.707), "factor": 4}}, "q_pe", "rope.factor"),
        ({"rope_scaling": yarn(0.9, 0.9)}, "attention", "rope.mscale_all_dim"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_rope_setting_is_named(good, tmp_path, settings, op, named):
    report = trace_models(good, planted(tmp_path, good, **settings), PROMPT)
    assert report.first.op == f"model.layers.0.self_attn.{op}"
    assert report.cause == "setting"
    assert named in [s.name for s in report.settings]
    assert named in report.verdict
    assert report.weight is None


def corrupt(folder: Path, out: Path, name: str, at: int, flip: int) -> Path:
    """A copy in which one byte of a tensor is flipped."""
    shutil.copytree(folder, out) if folder.is_dir() else shutil.copy(folder, out)
    ref = open_checkpoint(out).tensors[name]
    with ref.path.open("r+b") as file:
        file.seek(ref.offset + at)
        byte = file.read(1)[0]
        file.seek(ref.offset + at)
        file.write(bytes([byte ^ flip]))
    return out


def test_a_planted_block_of_a_packed_tensor_is_named(int4, tmp_path):
    name = "model.layers.0.self_attn.o_proj.weight"  # (128, 128): 8 tiles of 16 rows, 4 groups of 32 columns
    row, group, line = 37, 2, 9  # line 9 holds columns 72..79
    at = ((row // 16) * 16 + line) * 64 + row % 16 * 4
    report = trace_models(int4, corrupt(int4, tmp_path / "bad", name, at, 0x0F), PROMPT)
    assert report.first.op == name.removesuffix(".weight")
    assert (report.weight.tensor, report.weight.block, report.weight.row) == (name, row * 4 + group, row)
    assert f"{name}, block {row * 4 + group}" in report.verdict


@pytest.mark.parametrize(
    ("op", "tensor", "type", "nbytes", "block"),
    [
        ("q_a_proj", "q_a_proj.weight", "Q4_0", 18, 40 * 4 + 3),  # (48, 128): 4 blocks a row
        ("attention", "kv_b_proj.k_b", "Q8_0", 34, 201),  # (4 heads * 64, 32): a block a row
        ("attention", "kv_b_proj.v_b", "Q8_0", 34, 30 * 2 + 1),  # (4 heads * 32, 64)
    ],
)
def test_a_planted_block_of_a_gguf_is_named(gguf, tmp_path, op, tensor, type, nbytes, block):
    at = "model.layers.1.self_attn."
    report = trace_models(gguf, corrupt(gguf, tmp_path / "bad.gguf", at + tensor, block * nbytes + 5, 0xF0), PROMPT)
    assert report.first.op == at + op
    assert (report.weight.tensor, report.weight.block, report.weight.type_a) == (at + tensor, block, type)


def test_types_that_are_decoded_while_loading_are_compared_too(good, tmp_path, monkeypatch):
    name = "model.layers.1.self_attn.o_proj.weight"
    source = open_checkpoint(good)
    blocks = quantize_blocks(source.tensors[name].floats(), GGMLQuantizationType.Q5_1)
    blocks.tofile(tmp_path / "blocks")
    ref = replace(source.tensors[name], type="Q5_1", path=tmp_path / "blocks", offset=0, nbytes=blocks.nbytes)
    changed = replace(source, path=tmp_path, tensors=dict(source.tensors) | {name: ref})
    opened = {good: source, tmp_path: changed}
    monkeypatch.setattr("fathom.weights.checkpoint.open_checkpoint", opened.__getitem__)
    arguments = {"dtype_b": "float32", "executor_a": "reference"}
    assert trace_models(good, tmp_path, PROMPT, **arguments).first is None
    assert trace_models(good, tmp_path, PROMPT, **arguments, tolerance=1e-3).first.op == name.removesuffix(".weight")


def test_a_spoilt_scale_is_found_against_the_unquantised_original(good, int4, tmp_path):
    name = "model.layers.0.self_attn.kv_a_proj_with_mqa.weight"  # (80, 128)
    row, group = 21, 1
    scale = 80 * 128 // 2 + ((row // 16) * 4 + group) * 32 + row % 16 * 2 + 1  # the high byte of a half
    bad = corrupt(int4, tmp_path / "bad", name, scale, 0x10)  # times or by 16
    assert trace_models(good, int4, PROMPT).first is None
    report = trace_models(good, bad, PROMPT)
    assert report.first.op == name.removesuffix(".weight")
    assert (report.weight.tensor, report.weight.block, report.weight.row) == (name, row * 4 + group, row)


def test_a_router_that_differs_is_told_from_rounding(int4, tmp_path):
    name = "model.layers.1.mlp.gate.weight"
    weights = dict(case("v2_lite").weights)
    weights[name] = weights[name].roll(1, 0)  # every token goes elsewhere
    report = trace_models(case("v2_lite").save(tmp_path, weights), int4, PROMPT)
    assert report.first.op == "model.layers.1.mlp.gate"
    assert (report.cause, report.weight.tensor, report.weight.row) == ("weight", name, 0)


def test_rounding_is_no_difference_and_forks_are_reported(good, int4):
    report = trace_models(good, int4, PROMPT)
    assert report.first is None
    assert report.forks
    assert "tokens to other experts" in report.verdict
    report = trace_models(int4, int4, PROMPT, executor_b="reference")  # the same weights, other activations
    assert report.first is None
    assert report.tolerance < 1
    assert trace_models(good, good, PROMPT, executor_b="reference", dtype_b="bfloat16").first is None


def test_the_tolerance_can_be_set(good, int4):
    assert trace_models(good, int4, PROMPT, tolerance=1e-3).first.op == "model.embed_tokens"


def test_the_report_is_json_and_a_table(good, tmp_path):
    report = trace_models(good, planted(tmp_path, good, rope_theta=20000.0), PROMPT)
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["first"]["op"] == report.first.op
    assert data["settings"] == [{"name": "rope.theta", "a": 10000.0, "b": 20000.0}]
    lines = list(report.lines())
    assert len(lines) == len(report.ops) + 2
    assert sum("<- first" in line for line in lines) == 1


def test_a_deviation_without_measure_is_null_in_json(good, tmp_path):
    """A buffer that is zero on one side: the other is infinitely far from it."""
    weights = {name: w.clone() for name, w in case("v2_lite").weights.items()}
    weights["model.layers.1.self_attn.o_proj.weight"].zero_()
    report = trace_models(case("v2_lite").save(tmp_path, weights), good, PROMPT)
    assert report.first.relative == float("inf")
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["first"]["relative"] is None


def test_prompts_longer_than_a_chunk_are_compared_whole(good):
    tokens = np.resize(PROMPT, 600).tolist()
    report = trace_models(good, good, tokens, executor_b="reference")
    assert report.first is None
    assert report.tokens == 600


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"prompt": []}, "prompt_empty"),
        ({"prompt": "a text"}, "no_tokenizer"),
        ({"prompt": PROMPT, "executor_a": "numpy"}, "choice_unknown"),
        ({"prompt": PROMPT, "executor_a": "reference", "dtype_a": "int8"}, "choice_unknown"),
        ({"prompt": PROMPT, "b": "other"}, "checkpoint_mismatch"),
    ],
)
def test_what_cannot_be_compared_is_an_error(good, tmp_path, arguments, code):
    if arguments.get("b"):
        arguments = {**arguments, "b": case("v2").save(tmp_path)}
    with pytest.raises(FathomError) as error:
        trace_models(**{"a": good, "b": good, **arguments})
    assert error.value.code == code
