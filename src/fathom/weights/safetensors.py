"""The safetensors container: a strict header parser. No pickles, no copies, no torch.

A file is ``u64 little-endian header length | JSON header | tensor bytes``. The header maps names to dtype, shape and
byte offsets relative to the end of the header; tensors must tile the rest of the file without gaps or overlaps.
Everything a damaged or hostile file can get wrong is checked here, before a single tensor is touched.
Source: https://github.com/huggingface/safetensors (format description).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from fathom.errors import FathomError
from fathom.files import errors_of

__all__ = ["BITS", "Entry", "Header", "read_header"]

HEADER_LIMIT = 100_000_000  # bytes; the same limit as the safetensors library

BITS = {  # bits an element, of every dtype the format knows
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


@dataclass(frozen=True, slots=True)
class Entry:
    dtype: str
    shape: tuple[int, ...]
    offset: int  # absolute, in the file
    nbytes: int


@dataclass(frozen=True, slots=True)
class Header:
    tensors: dict[str, Entry]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """Parse and validate; raises FathomError("file_malformed" | "file_unreadable") and nothing else."""
    with errors_of(path), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        raw = _header_bytes(path, file, size)
    fields = _parse_json(path, raw)
    metadata = fields.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _malformed(path, "__metadata__ is not a map of strings")
    start = 8 + len(raw)
    tensors = {name: _entry(path, name, value, start) for name, value in fields.items()}
    _check_tiling(path, tensors, start, size)
    return Header(tensors, metadata)


def _malformed(path: Path, problem: str) -> NoReturn:
    raise FathomError("file_malformed", path=path, format="safetensors", problem=problem)


def _header_bytes(path: Path, file: BinaryIO, size: int) -> bytes:
    if size < 8:
        _malformed(path, f"it has {size} bytes; the header length alone takes 8")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > HEADER_LIMIT:
        _malformed(path, f"its header claims {length} bytes; at most {HEADER_LIMIT} are allowed")
    if 8 + length > size:
        _malformed(path, f"its header claims {length} bytes, but the whole file has {size}")
    return file.read(length)


def _parse_json(path: Path, raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise ValueError("a name occurs twice")
        return fields

    def no_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON number")

    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        _malformed(path, f"its header can't be read: {str(error)[:200]}")
    if not isinstance(fields, dict):
        _malformed(path, "its header is no JSON object")
    return fields


def _entry(path: Path, name: str, value: Any, start: int) -> Entry:
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]} if len(value) == 3:
            pass
        case _:
            _malformed(path, f"tensor {name[:200]!r} needs exactly dtype, shape and data_offsets")
    if not all(type(size) is int and size >= 0 for size in shape) or type(begin) is bool or type(end) is bool:
        _malformed(path, f"tensor {name[:200]!r} has a shape or offset that is no natural number")
    if dtype not in BITS:
        _malformed(path, f"tensor {name[:200]!r} has the unknown dtype {dtype[:50]!r}")
    bits = math.prod(shape) * BITS[dtype]
    if begin < 0 or bits % 8 or end - begin != bits // 8:
        _malformed(path, f"tensor {name[:200]!r}: {dtype} of shape {shape} does not fill bytes {begin} to {end}")
    return Entry(dtype, tuple(shape), start + begin, end - begin)


def _check_tiling(path: Path, tensors: dict[str, Entry], start: int, size: int) -> None:
    at = start
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].offset, item[1].nbytes)):
        if entry.offset != at:
            _malformed(path, f"tensor {name[:200]!r} starts at byte {entry.offset}, expected {at}")
        at += entry.nbytes
    if at != size:
        _malformed(path, f"it has {size} bytes, its header describes {at}" + (" (truncated)" if size < at else ""))
