"""From a checkpoint to what the native engine computes with: a Matrix a 2-D weight, a float32 vector a norm or bias.

One decision a weight, :func:`target`: keep the stored values where the asked format allows it (copied to huge pages, a
quarter faster to stream than the small pages of a mapped file; exact repacks of GGUF blocks), otherwise decode and
round once. Weights stream: beside the result a thread has one source tensor in memory. What a format means for
each role stands in ``fathom.model.formats``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fathom.errors import FathomError
from fathom.machine import cores
from fathom.model.formats import FORMATS, GROUPS, storage
from fathom.model.program import Program, Weight
from fathom.weights.checkpoint import DECODED, DENSE, LOADABLE, QUANTIZED, Checkpoint, TensorRef, aligned, pack

if TYPE_CHECKING:
    from fathom._native import Matrix

__all__ = [
    "BITS",
    "KEEP",
    "Progress",
    "Source",
    "check_format",
    "convert",
    "load_weights",
    "round_bf16",
    "sources",
    "target",
]

Progress = Callable[[int, int], None]  # bytes done, bytes in all
KEEP = "keep"
BITS = {"int4": 4, "int8": 8, "Q4_0": 4, "Q4_K": 4, "Q5_0": 8, "Q5_K": 8, "Q6_K": 8, "Q8_0": 8}  # a code in memory


@dataclass(frozen=True, slots=True)
class Source:
    """An entry of the result and where it comes from: one tensor, or two halves of a kv_b_proj to be joined."""

    weight: Weight
    refs: tuple[TensorRef, ...]

    @property
    def nbytes(self) -> int:
        return sum(ref.nbytes for ref in self.refs)


def load_weights(
    checkpoint: Checkpoint,
    program: Program,
    dtype: str = "auto",
    group: int = 32,
    progress: Progress | None = None,
) -> dict[str, Matrix | NDArray[np.float32]]:
    """All weights of the program by official name, in the form ``dtype`` asks for (``auto``: as they are stored).

    A split ``kv_b_proj`` whose halves stay quantised comes as two entries, ``...kv_b_proj.k_b`` and ``.v_b``.
    """
    check_format(dtype, group, ("auto", *FORMATS))
    found = sources(checkpoint, program, dtype)
    total, done = sum(source.nbytes for source in found), 0
    weights: dict[str, Matrix | NDArray[np.float32]] = {}
    with ThreadPoolExecutor(cores()) as pool:  # copying and packing are native and leave Python to the others
        for source, weight in zip(found, pool.map(lambda s: convert(s, dtype, group, checkpoint), found), strict=True):
            weights[source.weight.name] = weight
            done += source.nbytes
            if progress is not None:
                progress(done, total)
    return weights


def check_format(format: str, group: int, known: tuple[str, ...]) -> None:
    if format not in known:
        raise FathomError("choice_unknown", what="format", found=format, known=", ".join(known))
    if group not in GROUPS:
        raise FathomError("choice_unknown", what="group", found=group, known=", ".join(map(str, GROUPS)))


def sources(checkpoint: Checkpoint, program: Program, dtype: str) -> list[Source]:
    """Where each weight comes from, in program order; a missing or mis-shaped tensor is an error that names it."""
    found = []
    for weight in program.weights.values():
        shapes = checkpoint.parts(weight.name, weight.shape)
        refs = tuple(map(checkpoint.tensor, shapes))
        for ref in refs:
            _check(ref, shapes[ref.name], dtype)
        if len(refs) == 2 and dtype not in ("float32", "bfloat16") and all(ref.type not in DENSE for ref in refs):
            found += [Source(Weight(ref.name, ref.shape, weight.role), (ref,)) for ref in refs]
        else:
            found.append(Source(weight, refs))
    return found


def _check(ref: TensorRef, shape: tuple[int, ...], dtype: str) -> None:
    if ref.shape != shape:
        raise FathomError("tensor_shape", name=ref.name, found=list(ref.shape), expected=list(shape))
    if ref.type in DECODED and dtype == "auto":
        raise FathomError("tensor_type_rounded", name=ref.name, found=ref.type)
    if ref.type not in LOADABLE:
        raise FathomError("tensor_type", name=ref.name, found=ref.type, known=", ".join((*DENSE, *QUANTIZED)))


def target(source: Source, dtype: str, group: int) -> tuple[str, int]:
    """(KEEP | "F32" | "BF16" | "int8" | "int4", group): what becomes of a weight; what fits already is kept."""
    if dtype == "auto":
        return (KEEP, 0) if len(source.refs) == 1 else ("F32", 0)
    kind, group = storage(source.weight, dtype, group)
    if len(source.refs) == 1 and source.refs[0].type not in DECODED:
        stored = source.refs[0]
        fits = kind in ("F32", stored.type) if stored.type in DENSE else BITS.get(kind, 0) >= _bits(stored)
        if fits:
            return KEEP, 0
    return kind, group


def convert(source: Source, dtype: str, group: int, checkpoint: Checkpoint) -> Matrix | NDArray[np.float32]:
    """One weight in the asked format, all its values finite."""
    from fathom._native import Matrix

    weight, ref = source.weight, source.refs[0]
    if len(weight.shape) == 1:
        vector = ref.floats()
        if not np.isfinite(vector).all():
            raise FathomError("tensor_not_finite", name=weight.name)
        return vector
    kind, group = target(source, dtype, group)
    if kind in ("int8", "int4"):
        if len(source.refs) == 1 and ref.type in DENSE:
            return pack(weight, ref.read(), ref.type, BITS[kind], group)
        return pack(weight, _bytes(checkpoint.floats(weight.name)), "F32", BITS[kind], group)
    if kind == KEEP:
        matrix = ref.matrix() if ref.type in QUANTIZED else ref.matrix().copy()
    else:
        values = checkpoint.floats(weight.name)
        raw = _bytes(round_bf16(values) if kind == "BF16" else values)
        matrix = Matrix.dense(aligned(raw), kind, *weight.shape)
    if not matrix.all_finite():
        raise FathomError("tensor_not_finite", name=weight.name)
    return matrix


def _bits(ref: TensorRef) -> int:
    return BITS[ref.spec["type"] if ref.spec else ref.type]


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def round_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round to nearest even, in blocks so that temporaries stay small."""
    flat = values.reshape(-1).view(np.uint32)
    rounded = np.empty(flat.size, np.uint16)
    for start in range(0, flat.size, 1 << 20):
        block = flat[start : start + (1 << 20)]
        rounded[start : start + block.size] = (block + (0x7FFF + ((block >> 16) & 1))) >> 16
    return rounded
