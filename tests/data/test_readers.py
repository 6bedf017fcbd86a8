import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from fathom.data.readers import read
from fathom.errors import FathomError

RECORDS = [{"text": "hello"}, {"text": "你好", "n": 2}]
LINES = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in RECORDS).encode()


def write(path, data):
    if path.suffix == ".zst":
        data = zstandard.compress(data)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
def test_json_lines_are_read_and_empty_lines_skipped(tmp_path, name) -> None:
    assert list(read(write(tmp_path / name, LINES + b"\n  \n"))) == RECORDS


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst"])
@pytest.mark.parametrize("bad", [b'{"text": ', b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_malformed_line_is_named_by_file_and_number(tmp_path, name, bad) -> None:
    with pytest.raises(FathomError, match=rf"{name}, line 3: "):
        list(read(write(tmp_path / name, LINES + bad + b"\n")))


def test_a_damaged_archive_is_named(tmp_path) -> None:
    path = write(tmp_path / "a.jsonl.zst", LINES * 1000)
    path.write_bytes(path.read_bytes()[:8] + b"\x00" * 20)
    with pytest.raises(FathomError, match=r"a\.jsonl\.zst"):
        list(read(path))


def test_parquet_rows_and_text_files_are_records(tmp_path) -> None:
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    assert [r["text"] for r in read(tmp_path / "a.parquet")] == ["hello", "你好"]
    (tmp_path / "b.txt").write_text("whole\nfile\n", "utf-8")
    assert list(read(tmp_path / "b.txt")) == [{"text": "whole\nfile\n", "title": "b"}]


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.parquet", b"no parquet", "parquet"),
        ("a.txt", b"ab\xff", "byte 2"),
        ("a.csv", b"a,b", r"not \.jsonl"),
    ],
)
def test_other_bad_files_say_what_is_wrong(tmp_path, name, data, problem) -> None:
    with pytest.raises(FathomError, match=problem):
        list(read(write(tmp_path / name, data)))


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(FathomError, match=r"none\.jsonl"):
        list(read(tmp_path / "none.jsonl"))


def test_positions_grow_to_the_size_of_the_file(tmp_path) -> None:
    path = write(tmp_path / "a.jsonl", LINES * 3000)
    told = []
    assert sum(1 for _ in read(path, advance=told.append)) == 6000
    assert told == sorted(told)
    assert told[-1] == path.stat().st_size
    assert len(told) > 2
