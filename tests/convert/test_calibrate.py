"""``fathom quantize --calibrate``: from a text to a packed folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fathom.cli import run
from fathom.convert.calibrate import by_op, quantize_calibrated
from fathom.convert.observe import LIMIT, WINDOW, Inputs, read_windows
from fathom.engine.runner import NativeModel
from fathom.errors import FathomError
from fathom.hub.store import resolve
from fathom.model.program import build_program
from fathom.text.tokenizer import Tokenizer
from fathom.weights.checkpoint import open_checkpoint
from fathom.weights.load import load_weights
from gguf_tiny import save_tiny

WORDS = ["the", "river", "runs", "past", "old", "stone", "houses", "and", "people", "talk", "of", "rain", "boats"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(open_checkpoint(resolve("mini")).tokenizer_files)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(np.random.default_rng(0).choice(WORDS, 900)), "utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_tiny(folder, vocab_size=12288, moe_intermediate_size=48)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(resolve("mini") / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def converted(model: Path, text: Path) -> tuple[Path, list]:
    dst = model.parent / "int4"
    return dst, quantize_calibrated(model, dst, text, 32)


def test_experts_are_int4_and_attention_and_head_int8(converted: tuple[Path, list]) -> None:
    checkpoint = open_checkpoint(converted[0])
    for weight in build_program(checkpoint.config).weights.values():
        ref = checkpoint.tensors[weight.name]
        if len(weight.shape) == 1 or weight.role == "router":
            assert ref.type == "F32", weight.name
        else:
            assert ref.spec["type"] == ("int4" if ".mlp." in weight.name else "int8"), weight.name
    assert json.loads((converted[0] / "config.json").read_text())["quantization_config"]["format"] == "int4"


def test_outputs_change_less_than_by_plain_rounding(converted: tuple[Path, list]) -> None:
    losses = converted[1]
    assert all(loss.calibrated <= loss.plain for loss in losses)
    ops = by_op(losses)
    assert len(ops) == 3 + 2 * 6  # the dense layer's, then experts and shared ones
    assert np.mean([op.calibrated for op in ops]) < 0.9 * np.mean([op.plain for op in ops])


def test_same_text_same_bytes_and_nothing_is_left_beside(
    model: Path, text: Path, converted: tuple[Path, list], tmp_path: Path
) -> None:
    quantize_calibrated(model, tmp_path / "again", text, 32)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    first, again = (folder / "model.safetensors" for folder in (converted[0], tmp_path / "again"))
    assert first.read_bytes() == again.read_bytes()


def test_inputs_are_those_of_the_program(model: Path, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(model)
    program = build_program(checkpoint.config)
    native = NativeModel(program, load_weights(checkpoint, program))
    inputs, seen, windows = Inputs(program, tmp_path), [], [[5, 6, 7, 8], [9, 10]]
    inputs.record(native, windows)
    for window in windows:
        outputs: dict[str, np.ndarray] = {}
        native.forward(
            window,
            native.new_cache(len(window)),
            logits="all",
            capture=lambda name, x, o=outputs: o.update({name: x.copy()}),
        )
        seen.append(outputs)
    last = "model.layers.2"
    norm = np.concatenate([outputs[f"{last}.post_attention_layernorm"] for outputs in seen])
    assert np.array_equal(inputs.rows(f"{last}.mlp.experts"), norm.astype(np.float16))
    assert np.array_equal(inputs.rows(f"{last}.mlp.shared_experts"), norm.astype(np.float16))
    route = np.concatenate([outputs[f"{last}.mlp.gate"] for outputs in seen])
    assert np.array_equal(inputs.chosen(f"{last}.mlp.experts"), route[:, :2])
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == inputs.nbytes(6)


def test_long_texts_are_sampled_evenly(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text(" ".join(f"{i}" for i in range(80_000)), "utf-8")
    windows = read_windows(path, tokenizer)
    assert len(windows) == LIMIT
    assert {len(window) for window in windows} == {WINDOW + 1}
    assert all(window[0] == tokenizer.bos_id for window in windows)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "calibration_short"),
        (b"too short", "calibration_short"),
        (b"\xff\xfe\x00" * 900, "encoding"),
        (b"text\0" * 900, "encoding"),
        (None, "file_unreadable"),
    ],
)
def test_texts_that_say_nothing_are_refused(content: bytes | None, code: str, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FathomError) as caught:
        quantize_calibrated(model, tmp_path / "out", path)
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_a_model_of_4_bits_has_nothing_to_round(converted: tuple[Path, list], text: Path, tmp_path: Path) -> None:
    with pytest.raises(FathomError, match="4 bits already"):
        quantize_calibrated(converted[0], tmp_path / "out", text)
    assert not (tmp_path / "out").exists()


def test_the_command_prints_what_rounding_costs(
    model: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FATHOM_LANG", "en")
    call = ["quantize", str(model), str(tmp_path / "a"), "--format", "int4", "--calibrate", str(text)]
    assert run(call) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 15 + 1
    assert lines[0].split() == ["op", "fewest", "tokens", "plain", "error", "calibrated"]
    assert lines[1].startswith("model.layers.0.mlp.down_proj.weight")
    call[2] = str(tmp_path / "b")
    assert run([*call, "--json"]) == 0
    tensors = json.loads(capsys.readouterr().out)["tensors"]
    assert {"name", "tokens", "plain", "calibrated"} == set(tensors[0])
    assert len(tensors) == 3 + 2 * 3 * (4 + 1)
    call[call.index("int4")] = "int8"
    assert run(call) == 2
    assert "int8" in capsys.readouterr().err
