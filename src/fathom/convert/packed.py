"""Writes the packed format that :mod:`fathom.weights.packed` describes and reads: every size is known beforehand."""

from __future__ import annotations

import json
import math
import re
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fathom.weights.packed import BLOB_ALIGN, KEY
from fathom.weights.safetensors import BITS

if TYPE_CHECKING:
    from fathom.weights.checkpoint import Checkpoint

__all__ = ["Blob", "Layout", "Record", "plan", "write_config", "write_header", "write_records"]

SHARD_LIMIT = 4 << 30  # bytes
RECORD_ALIGN = 4096  # bytes: direct reads
EXPERT = ".mlp.experts."


@dataclass(frozen=True, slots=True)
class Layout:
    """How a weight is to lie in the file: a packed matrix (``spec``), or a plain tensor of a dtype."""

    name: str  # official
    shape: tuple[int, ...]
    dtype: str
    spec: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A packed matrix inside a record."""

    name: str
    spec: dict[str, Any]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """One tensor of the file: packed matrices (``blobs``), or a plain tensor of ``dtype`` and ``shape``."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    blobs: tuple[Blob, ...] = ()

    @property
    def weights(self) -> list[str]:
        """Official names of what it holds, in order."""
        return [blob.name for blob in self.blobs] or [self.name]

    @property
    def align(self) -> int:
        """Bytes its place and size are a multiple of. Files are sorted by it, so that there are no gaps."""
        if not self.blobs:
            return BITS[self.dtype] // 8
        return RECORD_ALIGN if EXPERT in self.name else BLOB_ALIGN

    @property
    def nbytes(self) -> int:
        if not self.blobs:
            return math.prod(self.shape) * BITS[self.dtype] // 8
        *_, (offset, last) = self.offsets()
        return _up(offset + last.nbytes, self.align)

    def offsets(self) -> Iterator[tuple[int, Blob]]:
        """Each blob with its place in the record."""
        offset = 0
        for blob in self.blobs:
            yield offset, blob
            offset = _up(offset + blob.nbytes, BLOB_ALIGN)


def plan(layouts: Iterable[Layout]) -> list[Record]:
    """The records that hold these weights, in the same order: one an expert, one any other weight."""
    from fathom._native import Matrix

    records: dict[str, Record] = {}
    for layout in layouts:
        if layout.spec is None:
            records[layout.name] = Record(layout.name, layout.dtype, layout.shape)
            continue
        expert = re.match(r"(.*\.mlp\.experts\.\d+)\.", layout.name)
        name = expert[1] if expert else layout.name
        blobs = records[name].blobs if name in records else ()
        blob = Blob(layout.name, layout.spec, Matrix.blob_bytes(layout.spec))
        records[name] = Record(name, "U8", blobs=(*blobs, blob))
    return list(records.values())


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def write_records(
    folder: Path,
    records: Sequence[Record],
    data: Callable[[Record], Iterable[Any]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the records, in shards, asking for the buffers of one at a time (its blobs, or the bytes of a tensor)."""
    shards = _shards(records)
    total, done = sum(record.nbytes for record in records), 0
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else "model.safetensors"
        weight_map |= dict.fromkeys((record.name for record in shard), file_name)
        with (folder / file_name).open("wb") as file:
            tensors = {r.name: (r.dtype, (r.nbytes,) if r.blobs else r.shape) for r in shard}
            metadata = {"format": "pt"} | ({KEY: _encode(shard)} if any(r.blobs for r in shard) else {})
            write_header(file, tensors, metadata, RECORD_ALIGN)
            for record in shard:
                end = file.tell() + record.nbytes
                for buffer in data(record):
                    file.write(buffer)
                    if record.blobs:
                        file.write(bytes(-file.tell() % BLOB_ALIGN))
                if not 0 <= (gap := end - file.tell()) < RECORD_ALIGN:
                    raise ValueError(f"record {record.name}: {gap} bytes away from its planned end")
                file.write(bytes(gap))
                done += record.nbytes
                if progress is not None:
                    progress(done, total)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def write_header(
    file: BinaryIO, tensors: Mapping[str, tuple[str, tuple[int, ...]]], metadata: Mapping[str, str], align: int = 8
) -> None:
    """Write the header of tensors given as name -> (dtype, shape) in file order; data starts at a multiple of align."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        end = at + math.prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-(8 + len(raw)) % align)
    file.write(struct.pack("<Q", len(raw)) + raw)


def write_config(folder: Path, config: dict[str, Any], source: Checkpoint | None = None) -> None:
    """config.json, and the source's tokenizer files."""
    text = json.dumps(config, indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    for name, content in source.tokenizer_files.items() if source else ():
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_text(content, encoding="utf-8")


def _shards(records: Sequence[Record]) -> list[list[Record]]:
    """Cut in the order given, then sort each shard by :attr:`Record.align`."""
    shards: list[list[Record]] = [[]]
    size = 0
    for record in records:
        if shards[-1] and size + record.nbytes > SHARD_LIMIT:
            shards.append([])
            size = 0
        shards[-1].append(record)
        size += record.nbytes
    return [sorted(shard, key=lambda record: -record.align) for shard in shards]


def _encode(records: Sequence[Record]) -> str:
    specs: list[dict[str, Any]] = []
    directory: dict[str, list[tuple[str, int, int, int]]] = {}
    for record in records:
        for offset, blob in record.offsets():
            if blob.spec not in specs:
                specs.append(blob.spec)
            row = (blob.name, specs.index(blob.spec), offset, blob.nbytes)
            directory.setdefault(record.name, []).append(row)
    return json.dumps({"version": 1, "specs": specs, "records": directory}, separators=(",", ":"))
