"""``fathom models verify``: does a checkpoint hold exactly what its configuration asks for, with finite values?

Unlike loading, which stops at the first fault, this names every one. A container that can't be read at all (a truncated
shard, a malformed header) is an error of ``open_checkpoint``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fathom.errors import FathomError
from fathom.model.program import build_program
from fathom.weights.checkpoint import DECODED, DENSE, LOADABLE, TensorRef, open_checkpoint
from fathom.weights.load import Progress

__all__ = ["Report", "Shape", "verify"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A tensor whose shape is not the configuration's."""

    name: str
    found: tuple[int, ...]
    expected: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Faults of a checkpoint by official name; ``unused`` (multi-token prediction) is no fault."""

    path: Path
    format: str
    tensors: int
    nbytes: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[Shape, ...]
    unsupported: tuple[tuple[str, str], ...]  # name, type
    not_finite: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not (self.missing or self.unexpected or self.misshaped or self.unsupported or self.not_finite)


def verify(path: str | Path, values: bool = True, progress: Progress | None = None) -> Report:
    """Check names, shapes and types; with ``values`` also read every tensor and look for NaN and infinity."""
    checkpoint = open_checkpoint(path)
    expected: dict[str, tuple[int, ...]] = {}
    for weight in build_program(checkpoint.config).weights.values():
        expected |= checkpoint.parts(weight.name, weight.shape)
    found = [ref for name, ref in checkpoint.tensors.items() if name in expected]
    unsupported = [ref for ref in found if ref.type not in LOADABLE]
    not_finite = []
    done, total = 0, sum(ref.nbytes for ref in found)
    for ref in found if values else ():
        if ref not in unsupported and not _is_finite(ref):
            not_finite.append(ref.name)
        done += ref.nbytes
        if progress is not None:
            progress(done, total)
    return Report(
        path=checkpoint.path,
        format=checkpoint.format,
        tensors=len(checkpoint.tensors),
        nbytes=checkpoint.nbytes,
        missing=tuple(name for name in expected if name not in checkpoint.tensors),
        unexpected=tuple(sorted(checkpoint.tensors.keys() - expected.keys())),
        misshaped=tuple(Shape(r.name, r.shape, expected[r.name]) for r in found if r.shape != expected[r.name]),
        unsupported=tuple((ref.name, ref.type) for ref in unsupported),
        not_finite=tuple(not_finite),
        unused=checkpoint.unused,
    )


def _is_finite(ref: TensorRef) -> bool:
    if ref.type == "BF16":  # an exponent of all ones, without the detour over float32
        return not ((ref.read().view(np.uint16) & 0x7F80) == 0x7F80).any()
    if ref.type in (*DENSE, *DECODED):
        return bool(np.isfinite(ref.floats()).all())
    try:
        return ref.matrix().all_finite()
    except FathomError as error:
        if error.code == "tensor_not_finite":
            return False
        raise
