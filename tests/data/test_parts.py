import bz2
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fathom.data.parts import pack_parts, unpack_parts
from fathom.data.tokens import load_sets, write_set
from fathom.errors import FathomError

SOURCES = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def sets(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("text", "chat", "third", "fourth"):
        documents = [(rng.integers(0, 500, 30), rng.random(30) < 0.5 if name == "chat" else None) for _ in range(60)]
        write_set(tmp_path / "sets" / name, name, documents, vocabulary=500, tokenizer="t")
    return tmp_path / "sets"


def hashes(folder):
    return {name: one.hash for name, one in load_sets(folder).items()}


def carry(part, there, tmp_path):
    """What arrives in one call: one part and the index."""
    arrived = tmp_path / "arrived"
    shutil.rmtree(arrived, ignore_errors=True)
    arrived.mkdir()
    for path in (part, part.parent / "index.json"):
        shutil.copy(path, arrived)
    return unpack_parts(arrived, there)


@pytest.mark.parametrize("order", [1, -1])
def test_parts_arrive_one_by_one_in_any_order_and_come_out_as_they_went_in(sets, tmp_path, order) -> None:
    parts = pack_parts(sets, tmp_path / "all", part_mb=0.004)
    assert len(parts) > 2
    assert all(part.stat().st_size <= 0.004 * (1 << 20) for part in parts)
    missing = [carry(part, tmp_path / "there", tmp_path) for part in parts[::order]]
    assert [len(m) for m in missing] == list(range(len(parts) - 1, -1, -1))
    assert hashes(tmp_path / "there") == hashes(sets)


def test_the_module_unpacks_with_numpy_and_the_standard_library_alone(sets, tmp_path) -> None:
    pack_parts(sets, tmp_path / "all", part_mb=1)
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['parts', 'unpack', {str(tmp_path / 'all')!r}, {str(tmp_path / 'there')!r}]\n"
        "runpy.run_module('fathom.data.parts', run_name='__main__')\n"
        "other = {'torch', 'tokenizers', 'pydantic', 'typer', 'rich', 'zstandard', 'pyarrow', 'fathom._native'}\n"
        "assert not other & set(sys.modules), other & set(sys.modules)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "complete\n"
    assert hashes(tmp_path / "there") == hashes(sets)


def test_progress_reaches_the_end(sets, tmp_path) -> None:
    told = []
    pack_parts(sets, tmp_path / "all", 1, report=lambda *seen: told.append(seen))
    unpack_parts(tmp_path / "all", tmp_path / "there", report=lambda *seen: told.append(seen))
    assert told[-1][0] == told[-1][1] == sum(path.stat().st_size for path in sets.glob("*/*"))


@pytest.mark.parametrize("note", [b"[", b"[1]", b"\xff"])
def test_a_damaged_note_of_what_was_unpacked_costs_another_round_at_most(sets, tmp_path, note) -> None:
    pack_parts(sets, tmp_path / "parts", 20)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.unpacked.json").write_bytes(note)
    assert unpack_parts(tmp_path / "parts", tmp_path / "out") == []


def test_a_damaged_or_truncated_part_is_refused(sets, tmp_path) -> None:
    (part, *_) = pack_parts(sets, tmp_path / "all", part_mb=1)
    whole = part.read_bytes()
    for data in (whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], whole[:-1], b""):
        part.write_bytes(data)
        with pytest.raises(FathomError, match="checksum"):
            unpack_parts(tmp_path / "all", tmp_path / "there")


def test_a_part_of_another_packing_completes_nothing(sets, tmp_path) -> None:
    one = pack_parts(sets, tmp_path / "one", part_mb=0.004)
    rng = np.random.default_rng(2)
    write_set(sets / "text", "text", [(rng.integers(0, 500, 30), None)] * 60, vocabulary=500, tokenizer="t")
    other = pack_parts(sets, tmp_path / "other", part_mb=0.004)
    carry(other[0], tmp_path / "there", tmp_path)
    missing = [carry(part, tmp_path / "there", tmp_path) for part in one[1:]][-1]
    assert missing == [one[0].name]


ENTRY = {"file": "a/tokens.bin", "at": 0, "size": 4, "part": "part-000.bin", "start": 0, "bytes": 4, "sha256": ""}


@pytest.mark.parametrize(
    "index",
    [
        "{",
        "[]",
        "3",
        "[3]",
        json.dumps([{**ENTRY, "more": 1}]),
        json.dumps([{**ENTRY, "at": -1}]),
        json.dumps([{**ENTRY, "size": "4"}]),
        json.dumps([{**ENTRY, "file": "../../.ssh/authorized_keys"}]),
        json.dumps([{**ENTRY, "file": "/etc/a.bin"}]),
        json.dumps([{**ENTRY, "file": "a/../b.bin"}]),
        json.dumps([{**ENTRY, "part": "../part-000.bin"}]),
        "[" * 100_000,
    ],
)
def test_a_hostile_index_is_refused_before_anything_is_written(tmp_path, index) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/index.json").write_text(index)
    with pytest.raises(FathomError, match="index of parts"):
        unpack_parts(tmp_path / "parts", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_slice_that_unpacks_to_more_than_the_index_says_is_refused(tmp_path) -> None:
    (tmp_path / "parts").mkdir()
    bomb = bz2.compress(bytes(50_000_000))
    (tmp_path / "parts/part-000.bin").write_bytes(bomb)
    entry = {**ENTRY, "bytes": len(bomb), "sha256": hashlib.sha256(bomb).hexdigest()}
    (tmp_path / "parts/index.json").write_text(json.dumps([entry]))
    with pytest.raises(FathomError, match="another size"):
        unpack_parts(tmp_path / "parts", tmp_path / "there")


def test_what_cannot_be_packed_is_said(sets, tmp_path) -> None:
    with pytest.raises(FathomError, match="no token sets"):
        pack_parts(tmp_path / "none", tmp_path / "all", 1)
    for size in (0.0001, 0, -1, float("nan"), float("inf")):
        with pytest.raises(FathomError, match="part_mb"):
            pack_parts(sets, tmp_path / "all", size)
    assert not (tmp_path / "all").exists()
    (tmp_path / "all").mkdir()
    with pytest.raises(FathomError, match="exists already"):
        pack_parts(sets, tmp_path / "all", 1)
    with pytest.raises(FathomError, match=r"index\.json"):
        unpack_parts(tmp_path / "none", tmp_path / "there")
