"""Records from files: JSON lines (plain or zstandard), parquet, plain text. Files are read as streams."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fathom.errors import FathomError
from fathom.files import errors_of

__all__ = ["Record", "read"]

Record = dict[str, Any]
BATCH = 1024  # rows of a parquet file in memory at once


def read(path: Path, *, advance: Callable[[int], None] = lambda _: None) -> Iterator[Record]:
    """The records of a file by its name: .jsonl, .jsonl.zst, .parquet; .txt or .md is one record ``{"text": ...}``.

    ``advance`` gets the bytes of the file read so far. A malformed line is an error with the file and the line.
    """
    name = path.name
    with errors_of(path):
        if name.endswith(".jsonl"):
            with open(path, "rb") as file:
                yield from _lines(path, file, lambda: advance(file.tell()))
        elif name.endswith(".jsonl.zst"):
            with open(path, "rb") as file:
                yield from _lines(path, _unpacked(path, file), lambda: advance(file.tell()))
        elif name.endswith(".parquet"):
            yield from _parquet(path)
        elif path.suffix in (".txt", ".md"):
            try:
                yield {"text": path.read_text("utf-8"), "title": path.stem}
            except UnicodeDecodeError as error:
                raise FathomError("encoding", where=path, offset=error.start) from None
        else:
            raise FathomError("data_invalid", source=path, problem="not .jsonl, .jsonl.zst, .parquet, .txt or .md")
    advance(path.stat().st_size)


def _unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    try:
        import zstandard
    except ImportError:
        raise FathomError("extra_missing", feature=".zst", extra="train") from None
    return io.BufferedReader(
        _Zstandard(path, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
    )


class _Zstandard(io.RawIOBase):
    """A decompressed stream whose damage is an error that names the file."""

    def __init__(self, path: Path, stream: Any) -> None:
        self._path, self._stream = path, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        import zstandard

        try:
            return int(self._stream.readinto(buffer))
        except zstandard.ZstdError as error:
            raise FathomError("file_malformed", path=self._path, format="zstandard", problem=str(error)) from None


def _lines(path: Path, file: BinaryIO, told: Callable[[], None]) -> Iterator[Record]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _bad(path, number, str(error)) from None
        if not isinstance(record, dict):
            raise _bad(path, number, f"a JSON object expected, found {type(record).__name__}")
        yield record
        if number % BATCH == 0:
            told()


def _parquet(path: Path) -> Iterator[Record]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise FathomError("extra_missing", feature=".parquet", extra="train") from None
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()
    except ArrowInvalid as error:
        raise FathomError("file_malformed", path=path, format="parquet", problem=str(error)) from None


def _bad(path: Path, line: int, problem: str) -> FathomError:
    return FathomError("data_line", path=path, line=line, problem=problem)
