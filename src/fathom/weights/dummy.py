"""Weights of any published shape without a download: right in names, shapes, formats and bytes, random in content.

A few matrices of every shape are drawn (standard deviation 0.02, so activations stay finite through all layers),
brought into the asked storage by the same code as real ones, and repeated: writing is bound by the disk alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fathom.model.formats import FORMATS, storage
from fathom.model.program import Program, Weight
from fathom.weights.checkpoint import aligned
from fathom.weights.load import BITS, check_format, round_bf16
from fathom.weights.packed import row_spec

if TYPE_CHECKING:
    from fathom._native import Matrix

__all__ = ["Draw", "dummy_weights"]

SHORT = {"f32": "float32", "bf16": "bfloat16"}
STD = 0.02
DRAWN_ROWS = 1024  # larger matrices repeat these
VARIANTS = 13  # of a shape; odd, so that neighbouring experts differ


def dummy_weights(
    program: Program, format: str = "int8", seed: int = 0, group: int = 32
) -> dict[str, Matrix | NDArray[np.float32]]:
    """The same in memory, as ``load_weights`` returns it; every matrix has bytes of its own."""
    from fathom._native import Matrix

    draw = Draw(format, group, seed)
    weights: dict[str, Matrix | NDArray[np.float32]] = {}
    for name, weight in program.weights.items():
        (dtype, spec), raw = draw.storage(weight), aligned(draw(weight))
        if len(weight.shape) == 1:
            weights[name] = raw.view(np.float32)
        elif spec is None:
            weights[name] = Matrix.dense(raw, dtype, *weight.shape).copy()
        else:
            weights[name] = Matrix.view(raw, spec).copy()
    return weights


class Draw:
    """Bytes of a weight in the storage its format asks for; the same sequence for the same seed."""

    def __init__(self, format: str, group: int, seed: int) -> None:
        self.format, self.group = SHORT.get(format, format), group
        check_format(self.format, group, FORMATS)
        self.random = np.random.default_rng(seed)
        self.drawn: dict[tuple[str, tuple[int, ...]], list[NDArray[np.uint8]]] = {}
        self.calls = 0

    def storage(self, weight: Weight) -> tuple[str, dict[str, Any] | None]:
        """The dtype of a plain tensor, or U8 and the layout of a packed matrix."""
        kind, group = storage(weight, self.format, self.group)
        if kind not in BITS:
            return kind, None
        rows, cols = weight.shape
        return "U8", row_spec("F32", cols, 4 * cols, BITS[kind], group) | {"rows": rows}

    def __call__(self, weight: Weight) -> NDArray[np.uint8]:
        kind, group = storage(weight, self.format, self.group)
        variants = self.drawn.setdefault((kind, weight.shape), [])
        self.calls += 1
        if len(weight.shape) == 1:
            return self._vector(weight)
        if len(variants) < (VARIANTS if np.prod(weight.shape) < 1 << 23 else 2):
            variants.append(self._matrix(weight.shape, kind, group))
            return variants[-1]
        return variants[self.calls % len(variants)]

    def _vector(self, weight: Weight) -> NDArray[np.uint8]:
        noise = self.random.standard_normal(weight.shape, np.float32)
        values = 1 + 0.1 * noise if weight.role == "norm" else 0.01 * noise
        return values.astype(np.float32).view(np.uint8)

    def _matrix(self, shape: tuple[int, ...], kind: str, group: int) -> NDArray[np.uint8]:
        from fathom._native import Matrix

        rows, cols = shape
        values = STD * self.random.standard_normal((min(rows, DRAWN_ROWS), cols), np.float32)
        values = np.resize(values, shape)
        if kind in BITS:
            return Matrix.pack(values.reshape(-1).view(np.uint8), "F32", rows, cols, BITS[kind], group).blob()
        return (round_bf16(values) if kind == "BF16" else values).reshape(-1).view(np.uint8)
