"""The packed format: equal to quantising while loading, laid out for direct reads, whole or absent on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from fathom._native import Matrix
from fathom.convert import packed
from fathom.convert.gguf import export_gguf
from fathom.convert.quantize import quantize
from fathom.errors import FathomError
from fathom.model.formats import weight_bytes
from fathom.model.program import build_program
from fathom.weights.checkpoint import TensorRef, open_checkpoint
from fathom.weights.load import load_weights
from fathom.weights.safetensors import read_header
from fathom.weights.verify import verify
from gguf_tiny import SIGMOID, save_tiny


def loaded(path: Path, dtype: str = "auto", group: int = 32) -> dict[str, Matrix | np.ndarray]:
    checkpoint = open_checkpoint(path)
    return load_weights(checkpoint, build_program(checkpoint.config), dtype, group)


def assert_same(a: dict[str, Matrix | np.ndarray], b: dict[str, Matrix | np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert bytes_of(a[name]) == bytes_of(b[name]), name
        assert getattr(a[name], "spec", None) == getattr(b[name], "spec", None), name


def bytes_of(weight: Matrix | np.ndarray) -> bytes:
    is_packed = isinstance(weight, Matrix) and weight.type in ("int8", "int4")
    return (weight.blob() if is_packed else weight if isinstance(weight, np.ndarray) else weight.unpack()).tobytes()


@pytest.mark.parametrize("format", ["int8", "int4"])
@pytest.mark.parametrize("group", [32, 64])
@pytest.mark.parametrize("overrides", [{}, SIGMOID | {"q_lora_rank": None}, {"tie_word_embeddings": True}])
def test_quantised_on_disk_equals_quantised_while_loading(tmp_path, format, group, overrides) -> None:
    save_tiny(tmp_path / "source", **overrides)
    quantize(tmp_path / "source", tmp_path / "packed", format, group)
    assert open_checkpoint(tmp_path / "packed").format == "packed"
    assert_same(loaded(tmp_path / "packed"), loaded(tmp_path / "source", format, group))
    assert verify(tmp_path / "packed").ok


def test_layout_is_aligned_and_the_stock_library_reads_it(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    quantize(tmp_path / "source", tmp_path / "packed", "int4")
    path = tmp_path / "packed" / "model.safetensors"
    header = read_header(path)
    record = header.tensors["model.layers.1.mlp.experts.2"]
    assert record.dtype == "U8"
    assert (record.offset % 4096, record.nbytes % 4096) == (0, 0)
    tensors = open_checkpoint(tmp_path / "packed").tensors
    gate, up, down = (tensors[f"model.layers.1.mlp.experts.2.{m}_proj.weight"] for m in ("gate", "up", "down"))
    assert record.offset == gate.offset < up.offset < down.offset < record.offset + record.nbytes
    for ref in tensors.values():
        assert ref.type != "packed" or (ref.offset % 64 == 0 and ref.nbytes == Matrix.blob_bytes(ref.spec)), ref.name
    with safe_open(path, "np") as file:
        assert set(file.keys()) == header.tensors.keys()
        assert file.get_tensor("model.layers.1.mlp.experts.2").shape == (record.nbytes,)


def test_memory_is_what_the_format_predicts(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    program = build_program(open_checkpoint(tmp_path / "source").config)
    for format in ("int8", "int4"):
        weights = loaded(tmp_path / "source", format)
        nbytes = sum(weight.nbytes for weight in weights.values())
        assert nbytes == pytest.approx(weight_bytes(program, format), rel=0.02)  # planes are padded to 64 bytes


def test_shards_with_an_index(tmp_path, monkeypatch) -> None:
    save_tiny(tmp_path / "source")
    quantize(tmp_path / "source", tmp_path / "whole", "int8")
    monkeypatch.setattr(packed, "SHARD_LIMIT", 40_000)
    quantize(tmp_path / "source", tmp_path / "cut", "int8")
    index = json.loads((tmp_path / "cut" / "model.safetensors.index.json").read_text())
    files = set(index["weight_map"].values())
    assert len(files) > 2
    assert all((tmp_path / "cut" / name).is_file() for name in files)
    assert_same(loaded(tmp_path / "cut"), loaded(tmp_path / "whole"))


def test_unknown_config_fields_and_tokenizer_files_are_kept(tmp_path) -> None:
    save_tiny(tmp_path / "source", vendor={"kept": [1, None]}, q_lora_rank=None)
    (tmp_path / "source" / "tokenizer.json").write_text("{}")
    quantize(tmp_path / "source", tmp_path / "packed", "int4", 64)
    raw = json.loads((tmp_path / "packed" / "config.json").read_text())
    assert raw.pop("quantization_config") == {"quant_method": "fathom", "format": "int4", "group": 64}
    assert raw == json.loads((tmp_path / "source" / "config.json").read_text())
    assert (tmp_path / "packed" / "tokenizer.json").read_text() == "{}"


@pytest.mark.parametrize("type", ["F32", "BF16", "Q8_0", "Q4_0"])
def test_gguf_sources(tmp_path, type) -> None:
    save_tiny(tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf", type)
    for format in ("int8", "int4"):
        quantize(tmp_path / "tiny.gguf", tmp_path / format, format)
        assert_same(loaded(tmp_path / format), loaded(tmp_path / "tiny.gguf", format))
    if type == "Q4_0":  # exact in both: blocks are never rounded a second time
        assert_same(loaded(tmp_path / "int8"), loaded(tmp_path / "tiny.gguf"))


def test_a_quantised_router_becomes_float_again(tmp_path) -> None:
    weights = save_tiny(tmp_path / "source")
    export_gguf(open_checkpoint(tmp_path / "source"), tmp_path / "tiny.gguf", "Q8_0")
    checkpoint = open_checkpoint(tmp_path / "tiny.gguf")
    name = "model.layers.1.mlp.gate.weight"
    blocks = gguf.quants.quantize(weights[name], gguf.GGMLQuantizationType.Q8_0)
    (tmp_path / "blocks").write_bytes(blocks.tobytes())
    router = TensorRef(name, weights[name].shape, "Q8_0", tmp_path / "blocks", 0, blocks.nbytes)
    checkpoint = dataclasses.replace(checkpoint, tensors={**checkpoint.tensors, name: router})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fathom.convert.quantize.open_checkpoint", lambda path: checkpoint)
        quantize(tmp_path / "tiny.gguf", tmp_path / "packed", "int4")
    stored = open_checkpoint(tmp_path / "packed").tensors[name]
    assert stored.type == "F32"
    assert np.array_equal(stored.floats(), router.floats())


def test_packed_sources_are_requantised_only_downwards(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    quantize(tmp_path / "source", tmp_path / "a", "int4")
    quantize(tmp_path / "a", tmp_path / "b", "int8")
    assert_same(loaded(tmp_path / "b"), loaded(tmp_path / "a"))
    quantize(tmp_path / "b", tmp_path / "c", "int4")
    assert (tmp_path / "c" / "model.safetensors").read_bytes() == (tmp_path / "a" / "model.safetensors").read_bytes()


def test_progress_reaches_the_end(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    seen: list[tuple[int, int]] = []
    quantize(tmp_path / "source", tmp_path / "packed", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert seen == sorted(seen)


def test_nothing_is_overwritten(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    with pytest.raises(FathomError, match="exists already"):
        quantize(tmp_path / "source", tmp_path / "source")
    assert verify(tmp_path / "source").ok


def test_a_damaged_source_leaves_nothing(tmp_path) -> None:
    weights = save_tiny(tmp_path / "source")
    weights["model.layers.2.mlp.experts.1.up_proj.weight"][3, 3] = np.nan
    save_file(weights, tmp_path / "source" / "model.safetensors")
    with pytest.raises(FathomError, match=r"experts\.1\.up_proj\.weight holds NaN"):
        quantize(tmp_path / "source", tmp_path / "packed")
    assert [item.name for item in tmp_path.iterdir()] == ["source"]


def test_a_weight_too_large_for_a_scale_is_an_error_that_names_its_tensor(tmp_path) -> None:
    weights = save_tiny(tmp_path / "source")
    weights["lm_head.weight"][3, 3] = 3e9
    save_file(weights, tmp_path / "source" / "model.safetensors")
    with pytest.raises(FathomError, match=r"lm_head\.weight: a weight of 3000000000.* is too large"):
        quantize(tmp_path / "source", tmp_path / "packed")


def test_too_small_a_disk_is_refused_before_the_work(tmp_path, small_disk) -> None:
    save_tiny(tmp_path / "source")
    with pytest.raises(FathomError) as caught:
        quantize(tmp_path / "source", small_disk / "packed")
    assert caught.value.code == "no_space"
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_while_writing_is_cleaned(tmp_path, small_disk, monkeypatch) -> None:
    save_tiny(tmp_path / "source")
    monkeypatch.setattr("fathom.convert.quantize.check_space", lambda path, needed: None)
    (small_disk / "other").write_bytes(bytes((4 << 20) - 60_000))
    with pytest.raises(FathomError) as caught:
        quantize(tmp_path / "source", small_disk / "packed")
    assert caught.value.code == "no_space"
    assert [item.name for item in small_disk.iterdir()] == ["other"]


KILLED = """
import os, signal, sys
from fathom.convert.quantize import quantize
def progress(done, total):
    if done > total / 2:
        os.kill(os.getpid(), signal.SIGKILL)
quantize(sys.argv[1], sys.argv[2], progress=progress)
"""


def test_killed_half_way_nothing_stands_under_the_name_and_the_next_run_works(tmp_path) -> None:
    save_tiny(tmp_path / "source")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "source"), str(tmp_path / "packed")]
    assert subprocess.run(command, env=os.environ).returncode == -signal.SIGKILL
    assert {item.name for item in tmp_path.iterdir()} == {"source", ".packed.partial"}
    quantize(tmp_path / "source", tmp_path / "packed")
    assert {item.name for item in tmp_path.iterdir()} == {"source", "packed"}
    assert verify(tmp_path / "packed").ok


@pytest.fixture(scope="module")
def packed_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    save_tiny(folder / "source")
    return quantize(folder / "source", folder / "packed", "int4")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_mutated_directory_never_crashes(packed_folder, tmp_path, data) -> None:
    """Changes inside the JSON of specs and places: opening and loading succeed or raise FathomError."""
    raw = bytearray((packed_folder / "model.safetensors").read_bytes())
    start = raw.index(b"version")
    end = raw.index(b'"}', start)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(start, end - 1))
        raw[at] = data.draw(st.sampled_from(b'0123456789-[]{},:" abci'))
    tmp_path = tmp_path / "mutated"
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "config.json").write_bytes((packed_folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(raw)
    with contextlib.suppress(FathomError):
        loaded(tmp_path)
