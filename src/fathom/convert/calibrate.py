"""A checkpoint to a packed folder whose MLPs and experts are int4, rounded by the inputs that a text gives them.

Attention, embedding and head are int8, router, norms and biases float.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fathom._native import Matrix
from fathom.convert.quantize import quantize
from fathom.engine.runner import NativeModel
from fathom.errors import FathomError
from fathom.files import check_space
from fathom.model.program import Program, Weight, build_program
from fathom.text.tokenizer import Tokenizer
from fathom.weights.checkpoint import Checkpoint, open_checkpoint
from fathom.weights.load import Progress, check_format, load_weights, sources, target

from .observe import Inputs, read_windows
from .rounding import Seen, pack_codes, round_by_inputs, round_plain

__all__ = ["Loss", "by_op", "quantize_calibrated"]

Floats = NDArray[np.float32]
SHARED = 1024  # tokens of the layer, whoever they were routed to, that every expert is also fitted to ...
SHARE = 1.0  # ... with the weight of this many tokens a column together: what decides where few were routed


@dataclass(frozen=True, slots=True)
class Loss:
    """What rounding does to the outputs of a matrix: ||W X - Q X|| / ||W X|| over the inputs X it was fitted to."""

    name: str
    tokens: int  # that reached it
    plain: float
    calibrated: float


def by_op(losses: list[Loss]) -> list[Loss]:
    """The experts of a layer as one: root mean squares, and the fewest tokens."""
    ops: dict[str, list[Loss]] = {}
    for loss in losses:
        ops.setdefault(re.sub(r"experts\.\d+\.", "experts.*.", loss.name), []).append(loss)

    def mean(errors: list[float]) -> float:
        return float(np.sqrt(np.mean(np.square(errors))))

    return [
        Loss(
            name,
            min(one.tokens for one in some),
            mean([one.plain for one in some]),
            mean([one.calibrated for one in some]),
        )
        for name, some in sorted(ops.items())
    ]


def quantize_calibrated(
    src: str | Path,
    dst: str | Path,
    text: str | Path,
    group: int = 32,
    running: Progress | None = None,
    progress: Progress | None = None,
) -> list[Loss]:
    """Write ``src`` as int4 in the new folder ``dst``; ``running`` follows the text, ``progress`` the writing."""
    check_format("int4", group, ("int4",))
    checkpoint, dst = open_checkpoint(src), Path(dst)
    if dst.exists():  # before the work, not behind it
        raise FathomError("file_unreadable", path=dst, problem="exists already; remove it or choose another name")
    if not checkpoint.tokenizer_files:
        raise FathomError("no_tokenizer", path=checkpoint.path)
    windows = read_windows(Path(text), Tokenizer.load(checkpoint.tokenizer_files, name=checkpoint.path))
    program = build_program(checkpoint.config)
    inner = (source for source in sources(checkpoint, program, "int4") if ".mlp." in source.weight.name)
    if all(target(source, "int4", group)[0] != "int4" for source in inner):
        raise FathomError("parameter_invalid", param="--calibrate", problem=f"{src} is stored in 4 bits already")
    dst.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{dst.name}-inputs-", dir=dst.parent) as folder:
        inputs = Inputs(program, Path(folder))
        check_space(dst, inputs.nbytes(sum(map(len, windows))))
        inputs.record(NativeModel(program, load_weights(checkpoint, program)), windows, running)
        rounder = _ByInputs(checkpoint, program, inputs)
        quantize(src, dst, "int4", group, progress, rounder)
    return rounder.losses


class _ByInputs:
    """Rounds the matrices of MLPs and experts, in whatever order; those of one expert share its inputs."""

    def __init__(self, checkpoint: Checkpoint, program: Program, inputs: Inputs) -> None:
        self._checkpoint, self._inputs = checkpoint, inputs
        gated = [op for op in program.ops if op.kind in ("mlp", "experts")]
        self.names = frozenset(weight.name for op in gated for weight in op.weights)
        self.losses: list[Loss] = []
        self._layer: tuple[str, Floats] = "", np.empty((0, 0), np.float32)  # read last
        self._seen: tuple[tuple[str, bool], Seen] = ("", False), Seen(np.empty((0, 0), np.float32), 0)  # made last

    def round(self, weight: Weight, group: int) -> Matrix:
        module, matrix, _ = weight.name.rsplit(".", 2)
        key = module, matrix == "down_proj"
        if self._seen[0] != key:
            self._seen = key, self._observed(*key, group)
        seen = self._seen[1]
        values = np.pad(self._floats(weight.name), ((0, 0), (0, -weight.shape[1] % group)))
        rounded = round_by_inputs(values, seen, group)
        errors = (seen.output_error(values, found) for found in (round_plain(values, group).values, rounded.values))
        self.losses.append(Loss(weight.name, seen.tokens, *errors))
        return pack_codes(rounded, weight.shape[1], group)

    def _floats(self, name: str) -> Floats:
        values = self._checkpoint.floats(name)
        if not np.isfinite(values).all():
            raise FathomError("tensor_not_finite", name=name)
        return values

    def _observed(self, module: str, inner: bool, group: int) -> Seen:
        """The inputs of gate and up, or (``inner``) of down."""
        rows, others = self._routed(module)
        tokens = len(rows)
        if inner:
            rows, others = self._inner(module, rows), self._inner(module, others)
        hessian = rows.T @ rows
        if len(others):
            hessian += np.float32(SHARE * rows.shape[1] / len(others)) * (others.T @ others)
        return Seen(np.pad(hessian, (0, -rows.shape[1] % group)), tokens)

    def _routed(self, module: str) -> tuple[Floats, Floats]:
        """The rows that reached an MLP or expert, and for an expert some of the whole layer."""
        expert = re.fullmatch(r"(.*\.experts)\.(\d+)", module)
        op = expert[1] if expert else module
        if self._layer[0] != op:
            self._layer = op, self._inputs.rows(op)
        rows = self._layer[1]
        if expert is None:
            return rows, rows[:0]
        reached = (self._inputs.chosen(op) == int(expert[2])).any(1)
        return rows[reached], rows[:: -(-len(rows) // SHARED)]

    def _inner(self, module: str, rows: Floats) -> Floats:
        gate = rows @ self._floats(f"{module}.gate_proj.weight").T
        up = rows @ self._floats(f"{module}.up_proj.weight").T
        silu: Floats = gate * (0.5 * (1 + np.tanh(0.5 * gate)))  # does not overflow
        return silu * up
