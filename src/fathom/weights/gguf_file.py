"""The GGUF container: typed metadata, then a table of tensors, then their bytes.

The ``gguf`` package knows the types and block sizes. Its reader, though, maps the file, takes seconds for a vocabulary
of 100,000 tokens and trusts every length it finds; so the header is read here, where no count is believed before it is
held against the bytes that are left in the file. A damaged header is a ``file_malformed``, soon and within memory.
Source: ggml-org/ggml, docs/gguf.md (versions 2 and 3, little endian).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGUF_DEFAULT_ALIGNMENT, GGMLQuantizationType, GGUFValueType

from fathom.errors import FathomError
from fathom.files import errors_of
from fathom.weights.checkpoint import DENSE, QUANTIZED, TensorRef

__all__ = ["GGUFFile", "malformed", "read_file"]

_SCALARS = {
    **{GGUFValueType.UINT8: "u1", GGUFValueType.INT8: "i1", GGUFValueType.UINT16: "<u2", GGUFValueType.INT16: "<i2"},
    **{GGUFValueType.UINT32: "<u4", GGUFValueType.INT32: "<i4"},
    **{GGUFValueType.UINT64: "<u8", GGUFValueType.INT64: "<i8"},
    **{GGUFValueType.FLOAT32: "<f4", GGUFValueType.FLOAT64: "<f8", GGUFValueType.BOOL: "?"},
}
_LEAST_KEY = 8 + 4 + 1  # bytes of the smallest possible metadata entry: length, type, one byte of value
_LEAST_TENSOR = 8 + 4 + 8 + 4 + 8  # name length, dimensions, one dimension, type, offset
_LONGEST = 1 << 26  # bytes of one text or array of numbers: no header comes near, but a large file could hold more
_SHARD = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class GGUFFile:
    path: Path
    fields: dict[str, Any]  # metadata; arrays are lists
    tensors: dict[str, TensorRef]  # by their names in the file; shapes in torch order, the reverse of ggml's


def read_file(path: Path) -> GGUFFile:
    """Read the header of a GGUF file, and those of its siblings where it is the first of a split model."""
    first = _read_one(path)
    match = _SHARD.fullmatch(path.name)
    count = first.fields.get("split.count", 1)
    if not match or count in (0, 1):
        return first
    if type(count) is not int or match["count"] != f"{count:05}" or match["index"] != "00001":
        raise FathomError("file_unreadable", path=path, problem=f"part of a split model; open its part 1 of {count}")
    tensors = dict(first.tensors)
    for index in range(2, count + 1):
        part = path.with_name(f"{match['stem']}-{index:05}-of-{match['count']}.gguf")
        if not part.is_file():
            raise FathomError("shard_missing", path=part, index=path.name)
        tensors |= _read_one(part).tensors
    return GGUFFile(path, first.fields, tensors)


def _read_one(path: Path) -> GGUFFile:
    with errors_of(path), path.open("rb") as file:
        return _Header(path, file).parse()


class _Header:
    """A cursor over the header; every read is bounded by the bytes left in the file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.position, self.size = 0, path.stat().st_size

    def parse(self) -> GGUFFile:
        if self.take(4, "the magic number") != b"GGUF":
            self.malformed("it does not start with GGUF")
        version = self.number("<u4", "the version")
        if version not in (2, 3):
            found = f"version {version}" if version < 1 << 16 else "big-endian"
            self.malformed(f"{found}; little-endian versions 2 and 3 are read")
        tensors, keys = self.number("<u8", "the tensor count"), self.number("<u8", "the key count")
        self.fits(keys, _LEAST_KEY, "metadata keys")
        self.fits(tensors, _LEAST_TENSOR, "tensors")
        fields: dict[str, Any] = {}
        for _ in range(keys):
            key = self.string("a key")
            if key in fields:
                self.malformed(f"key {key!r} occurs twice")
            fields[key] = self.value(key)
        return GGUFFile(self.path, fields, self.table(tensors, fields.get("general.alignment", GGUF_DEFAULT_ALIGNMENT)))

    def table(self, count: int, alignment: Any) -> dict[str, TensorRef]:
        if type(alignment) is not int or not 0 < alignment <= 1 << 20 or alignment & (alignment - 1):
            self.malformed(f"general.alignment is {alignment!r}, no power of two")
        entries = [self.entry() for _ in range(count)]
        start = -(-self.position // alignment) * alignment
        tensors: dict[str, TensorRef] = {}
        for name, shape, type_, offset in entries:
            if name in tensors:
                self.malformed(f"tensor {name!r} occurs twice")
            if offset % alignment:
                self.malformed(f"tensor {name!r} starts at {offset}, no multiple of {alignment}")
            block, block_bytes = GGML_QUANT_SIZES[type_]
            if shape[-1] % block:
                self.malformed(f"tensor {name!r} has rows of {shape[-1]}, {type_.name} needs a multiple of {block}")
            nbytes = math.prod(shape) // block * block_bytes
            if start + offset + nbytes > self.size:
                end = start + offset + nbytes
                self.malformed(f"tensor {name!r} ends at byte {end}, the file at {self.size} (truncated)")
            tensors[name] = TensorRef(name, shape, type_.name, self.path, start + offset, nbytes)
        return tensors

    def entry(self) -> tuple[str, tuple[int, ...], GGMLQuantizationType, int]:
        name = self.string("a tensor name")
        dims = self.number("<u4", name)
        if not 1 <= dims <= 4:
            self.malformed(f"tensor {name!r} has {dims} dimensions")
        shape = tuple(self.number("<u8", name) for _ in range(dims))[::-1]
        if min(shape) < 1 or math.prod(shape) >= 1 << 62:
            self.malformed(f"tensor {name!r} has the impossible shape {shape}")
        kind = self.number("<u4", name)
        try:
            type_ = GGMLQuantizationType(kind)
        except ValueError:
            known = ", ".join(DENSE + QUANTIZED)
            raise FathomError("tensor_type", name=name, found=f"number {kind}", known=known) from None
        return name, shape, type_, self.number("<u8", name)

    def value(self, key: str) -> Any:
        kind = self.kind(key)
        if kind == GGUFValueType.STRING:
            return self.string(key)
        if kind != GGUFValueType.ARRAY:
            return self.number(_SCALARS[kind], key)
        kind, count = self.kind(key), self.number("<u8", key)
        if kind == GGUFValueType.ARRAY:
            self.malformed(f"key {key!r} holds an array of arrays")
        if kind == GGUFValueType.STRING:
            self.fits(count, 8, f"strings of {key!r}")
            return [self.string(key) for _ in range(count)]
        dtype = np.dtype(_SCALARS[kind])
        self.fits(count, dtype.itemsize, f"values of {key!r}")
        return np.frombuffer(self.take(count * dtype.itemsize, key), dtype).tolist()

    def kind(self, key: str) -> GGUFValueType:
        number = self.number("<u4", key)
        try:
            return GGUFValueType(number)
        except ValueError:
            self.malformed(f"key {key!r} has the unknown type {number}")

    def number(self, dtype: str, what: str) -> Any:
        kind = np.dtype(dtype)
        return np.frombuffer(self.take(kind.itemsize, what), kind)[0].item()

    def string(self, what: str) -> str:
        data = self.take(self.number("<u8", what), what)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.malformed(f"{what!r} is not valid UTF-8")

    def take(self, count: int, what: str) -> bytes:
        if count > self.size - self.position:
            self.malformed(f"{what!r} needs {count} bytes at byte {self.position}, the file has {self.size}")
        if count > _LONGEST:
            self.malformed(f"{what!r} claims {count} bytes; at most {_LONGEST} are read")
        data = self.file.read(count)
        if len(data) != count:
            self.malformed(f"{what!r} could not be read whole")
        self.position += count
        return data

    def fits(self, count: int, least: int, what: str) -> None:
        if count * least > self.size - self.position:
            self.malformed(f"it announces {count} {what}, more than its {self.size} bytes can hold")

    def malformed(self, problem: str) -> NoReturn:
        malformed(self.path, problem)


def malformed(path: Path, problem: str) -> NoReturn:
    raise FathomError("file_malformed", path=path, format="GGUF", problem=problem)
