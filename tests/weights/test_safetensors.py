"""The container: the library's files are read, every damage is one clear error."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from fathom.errors import FathomError
from fathom.weights.safetensors import read_header

GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


def file_of(path: Path, header: Any, data: bytes = bytes(8), length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def error_of(path: Path) -> FathomError:
    with pytest.raises(FathomError) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_reads_what_the_library_writes(tmp_path) -> None:
    tensors = {
        "x.weight": torch.arange(6.0).reshape(2, 3),
        "h": torch.ones(4, dtype=torch.bfloat16),
        "none": torch.ones(0, 3),
    }
    save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    header = read_header(tmp_path / "a.safetensors")
    assert header.metadata == {"format": "pt"}
    assert {name: (entry.dtype, entry.shape) for name, entry in header.tensors.items()} == {
        "x.weight": ("F32", (2, 3)),
        "h": ("BF16", (4,)),
        "none": ("F32", (0, 3)),
    }
    entry = header.tensors["x.weight"]
    values = np.fromfile(tmp_path / "a.safetensors", np.float32, 6, offset=entry.offset)
    assert values.tolist() == [0, 1, 2, 3, 4, 5]


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": GOOD["a"] | changes}


@pytest.mark.parametrize(
    ("header", "data", "length", "says"),
    [
        (GOOD, bytes(7), None, "truncated"),
        (GOOD, bytes(9), None, "its header describes"),
        (GOOD, bytes(8), 101_000_000, "at most 100000000"),
        (GOOD, bytes(8), 5000, "but the whole file has"),
        (b"{", b"", None, "can't be read"),
        (b"\xff\xfe{}", b"", None, "can't be read"),
        (b"[" * 100_000, b"", None, "can't be read"),
        (b'{"a": NaN}', b"", None, "NaN"),
        (b'{"a": 1' + b"0" * 5000 + b"}", b"", None, "can't be read"),
        (b'{"a": {}, "a": {}}', b"", None, "a name occurs twice"),
        (b"[]", b"", None, "no JSON object"),
        ({"__metadata__": {"x": 1}}, b"", None, "__metadata__"),
        ({"a": 3}, b"", None, "needs exactly"),
        (entry(extra=1), bytes(8), None, "needs exactly"),
        (entry(dtype=7), bytes(8), None, "needs exactly"),
        (entry(dtype="F99"), bytes(8), None, "unknown dtype 'F99'"),
        (entry(shape=[True, 2]), bytes(8), None, "natural number"),
        (entry(shape=[-2, -1]), bytes(8), None, "natural number"),
        (entry(shape=[3]), bytes(8), None, "does not fill"),
        (entry(shape=[10**40]), bytes(8), None, "does not fill"),
        (entry(dtype="F4", shape=[1], data_offsets=[0, 0]), b"", None, "does not fill"),
        (entry(data_offsets=[4, 12]), bytes(12), None, "starts at byte"),
        (entry(data_offsets=[-8, 0]), bytes(8), None, "does not fill"),
        (GOOD | {"b": GOOD["a"]}, bytes(8), None, "starts at byte"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path, header, data, length, says) -> None:
    error = error_of(file_of(tmp_path / "bad.safetensors", header, data, length))
    assert error.code == "file_malformed"
    assert says in str(error)


def test_empty_and_absent_files(tmp_path) -> None:
    (tmp_path / "empty.safetensors").touch()
    assert "it has 0 bytes" in str(error_of(tmp_path / "empty.safetensors"))
    assert error_of(tmp_path / "absent.safetensors").code == "file_unreadable"


BASE_HEADER = json.dumps(
    {
        "__metadata__": {"format": "pt"},
        "model.norm.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        "lm_head.weight": {"dtype": "BF16", "shape": [2, 4], "data_offsets": [16, 32]},
    }
).encode()
BASE_FILE = struct.pack("<Q", len(BASE_HEADER)) + BASE_HEADER + bytes(32)
MUTATIONS = st.lists(st.tuples(st.integers(0, len(BASE_FILE) - 1), st.binary(max_size=4)), min_size=1, max_size=6)


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(MUTATIONS, st.integers(0, len(BASE_FILE)))
def test_mutated_files_never_crash(tmp_path, mutations, cut) -> None:
    raw = bytearray(BASE_FILE)
    for at, bytes_ in mutations:
        raw[at : at + len(bytes_)] = bytes_
    path = tmp_path / "fuzzed.safetensors"
    path.write_bytes(raw[:cut] if cut % 3 == 0 else raw)
    with contextlib.suppress(FathomError):
        tensors = read_header(path).tensors
        assert sum(entry.nbytes for entry in tensors.values()) <= path.stat().st_size
