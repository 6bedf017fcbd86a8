"""fathom's packed format: a safetensors folder whose matrices lie as the kernels read them.

A packed matrix is a U8 blob as ``csrc/matrix.h`` describes it. A record, one U8 tensor of the file, holds one or
several blobs: all three matrices of an expert lie in one record, ``model.layers.3.mlp.experts.5`` (gate | up | down),
which starts and ends at a multiple of 4096 bytes in the file, so that experts can be read from disk one by one. Other
matrices are a record each; vectors and float matrices are plain tensors. A file's ``__metadata__["fathom"]`` is JSON:

    {"version": 1, "specs": [spec, ...], "records": {record name: [[official name, spec index, offset, nbytes], ...]}}

with specs as ``_native.Matrix.view`` takes them. The stock safetensors library reads and checks the container.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fathom.errors import FathomError
from fathom.weights.safetensors import BITS, write_header

if TYPE_CHECKING:
    from fathom.weights.checkpoint import Checkpoint, TensorRef
    from fathom.weights.safetensors import Header

__all__ = ["KEY", "Blob", "Layout", "Record", "members", "plan", "write_config", "write_records"]

KEY = "fathom"
SHARD_LIMIT = 4 << 30  # bytes
BLOB_ALIGN = 64  # bytes: a kernel's line
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


def members(path: Path, header: Header) -> Iterator[TensorRef]:
    """The official tensors of one packed file: those inside records, then the plain ones."""
    from fathom._native import Matrix
    from fathom.weights.checkpoint import TensorRef

    specs, records = _directory(path, header.metadata[KEY])
    try:
        sizes = [Matrix.blob_bytes(spec) for spec in specs]
    except (ValueError, TypeError, RuntimeError) as error:
        _malformed(path, f"a spec of its packed directory can't be used ({str(error)[:100]})")
    for record, parts in records.items():
        entry = header.tensors.get(record)
        if entry is None or entry.dtype != "U8":
            _malformed(path, f"record {record!r} is no U8 tensor of the file")
        for name, spec, offset, nbytes in parts:
            if not (0 <= spec < len(specs) and nbytes == sizes[spec] and 0 <= offset <= entry.nbytes - nbytes):
                _malformed(path, f"matrix {name!r} does not fit its place in the record")
            if (start := entry.offset + offset) % BLOB_ALIGN:
                _malformed(path, f"matrix {name!r} starts at byte {start}, which is no multiple of {BLOB_ALIGN}")
            shape = (specs[spec]["rows"], specs[spec]["cols"])
            yield TensorRef(name, shape, "packed", path, start, nbytes, specs[spec])
    for name, entry in header.tensors.items():
        if name not in records:
            yield TensorRef(name, entry.shape, entry.dtype, path, entry.offset, entry.nbytes)


def _directory(path: Path, text: str) -> tuple[list[dict[str, Any]], dict[str, list[tuple[str, int, int, int]]]]:
    try:
        directory = json.loads(text)
        if (version := directory["version"]) != 1:
            _malformed(path, f"packed format version {version!r}; this release reads version 1")
        specs, records = directory["specs"], directory["records"]
        if not all(type(spec[key]) is int for spec in specs for key in ("rows", "cols")):
            raise TypeError("a spec without rows and cols")
        for parts in records.values():
            for name, *numbers in parts:
                if not isinstance(name, str) or len(numbers) != 3 or not all(type(n) is int for n in numbers):
                    raise TypeError("a record that is no list of [name, spec, offset, nbytes]")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _malformed(path, f"its packed directory can't be read ({str(error)[:100]})")
    return specs, records


def _malformed(path: Path, problem: str) -> NoReturn:
    raise FathomError("file_malformed", path=path, format="packed", problem=problem)
