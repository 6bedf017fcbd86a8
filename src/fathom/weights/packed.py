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
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fathom.errors import FathomError

if TYPE_CHECKING:
    from fathom.weights.checkpoint import TensorRef
    from fathom.weights.safetensors import Header

__all__ = ["BLOB_ALIGN", "KEY", "members", "row_spec"]

KEY = "fathom"
BLOB_ALIGN = 64  # bytes: a kernel's line


@cache
def row_spec(type: str, cols: int, nbytes: int, bits: int = 0, group: int = 0) -> dict[str, Any]:
    """The packed layout of one row of ``nbytes`` bytes in the source type."""
    from fathom._native import Matrix

    return dict(Matrix.pack(np.zeros(nbytes, np.uint8), type, 1, cols, bits, group).spec)


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
