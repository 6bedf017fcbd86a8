"""Weights of any published shape without a download: right in names, shapes, formats and bytes, random in content.

A few matrices of every shape are drawn (standard deviation 0.02, so activations stay finite through all layers),
brought into the asked storage by the same code as real ones, and repeated: writing is bound by the disk alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fathom.config import ModelConfig
from fathom.model.formats import FORMATS, storage
from fathom.model.program import Program, Weight, build_program
from fathom.weights.atomic import atomic_folder, check_space
from fathom.weights.checkpoint import aligned
from fathom.weights.load import BITS, Progress, check_format, round_bf16
from fathom.weights.packed import Layout, Record, plan, write_config, write_records
from fathom.weights.published import known_config
from fathom.weights.quantize import METADATA_BYTES, quantization_config, row_spec

if TYPE_CHECKING:
    from fathom._native import Matrix

__all__ = ["dummy_weights", "make_dummy"]

SHORT = {"f32": "float32", "bf16": "bfloat16"}
STD = 0.02
DRAWN_ROWS = 1024  # larger matrices repeat these
VARIANTS = 13  # of a shape; odd, so that neighbouring experts differ


def make_dummy(
    name: str,
    dst: str | Path,
    format: str = "bf16",
    seed: int = 0,
    layers: int | None = None,
    group: int = 32,
    progress: Progress | None = None,
) -> Path:
    """Write a checkpoint of a published shape (with fewer ``layers`` where given) as the new folder ``dst``."""
    raw = known_config(name).to_dict() | ({"num_hidden_layers": layers} if layers else {})
    program, dst = build_program(ModelConfig.from_dict(raw)), Path(dst)
    draw = _Draw(format, group, seed)
    records = plan(draw.layout(weight) for weight in program.weights.values())
    weights = program.weights

    def data(record: Record) -> Iterator[Any]:
        for name in record.weights:
            yield draw(weights[name])

    with atomic_folder(dst) as folder:
        check_space(dst, sum(record.nbytes for record in records) + METADATA_BYTES)
        write_records(folder, records, data, progress)
        write_config(folder, raw | (quantization_config(format, group) if format in BITS else {}))
    return dst


def dummy_weights(
    program: Program, format: str = "int8", seed: int = 0, group: int = 32
) -> dict[str, Matrix | NDArray[np.float32]]:
    """The same in memory, as ``load_weights`` returns it; every matrix has bytes of its own."""
    from fathom._native import Matrix

    draw = _Draw(format, group, seed)
    weights: dict[str, Matrix | NDArray[np.float32]] = {}
    for name, weight in program.weights.items():
        layout, raw = draw.layout(weight), aligned(draw(weight))
        if len(weight.shape) == 1:
            weights[name] = raw.view(np.float32)
        elif layout.spec is None:
            weights[name] = Matrix.dense(raw, layout.dtype, *weight.shape).copy()
        else:
            weights[name] = Matrix.view(raw, layout.spec).copy()
    return weights


class _Draw:
    """Bytes of a weight in the storage its format asks for; the same sequence for the same seed."""

    def __init__(self, format: str, group: int, seed: int) -> None:
        self.format, self.group = SHORT.get(format, format), group
        check_format(self.format, group, FORMATS)
        self.random = np.random.default_rng(seed)
        self.drawn: dict[tuple[str, tuple[int, ...]], list[NDArray[np.uint8]]] = {}
        self.calls = 0

    def layout(self, weight: Weight) -> Layout:
        kind, group = storage(weight, self.format, self.group)
        if kind not in BITS:
            return Layout(weight.name, weight.shape, kind)
        rows, cols = weight.shape
        return Layout(
            weight.name, weight.shape, "U8", row_spec("F32", cols, 4 * cols, BITS[kind], group) | {"rows": rows}
        )

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
