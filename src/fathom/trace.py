"""Where two models part: the same tokens through two executors, compared op by op, and the cause looked up.

The two may be executors (native, PyTorch), checkpoints or formats. Each runs alone, so memory holds one model at a
time. The first op whose output differs by more than the tolerance is named; then the configurations and the weights of
that op are compared, down to the block of a quantised tensor. The tolerance is relative to the RMS of a buffer and
follows from what the two formats can explain.

Routing is the one discontinuity: where rounding makes two experts change places, everything after differs for that
token. Such tokens are reported as forks and left out from there on, unless the formats leave no room for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .config import ModelConfig
from .errors import FathomError
from .model.program import Op, Program, build_program

if TYPE_CHECKING:
    from .weights.checkpoint import Checkpoint, TensorRef

__all__ = ["Executor", "OpDiff", "Report", "SettingDiff", "WeightDiff", "executor", "trace", "trace_models"]

Floats = NDArray[np.float32]

#: Largest deviation of an op's output, relative to its RMS, that a format explains (measured on random models of 3
#: layers and on `mini`, times about 3). Float formats of one checkpoint hold the same values: arithmetic order only.
NOISE = {"float32": 5e-4, "bfloat16": 0.15, "int8": 0.4, "int4": 1.5}
STRICT = 2e-3  # up to this tolerance a fork of the routing is a difference, not noise

#: Largest error of a value, relative to the largest of its block, that rounding to a stored type explains.
ROUNDING = {"F32": 0.0, "F16": 2**-10, "BF16": 2**-8, "int8": 0.01, "int4": 0.2}
ROUNDING |= {"Q8_0": 0.01, "Q6_K": 0.06, "Q5_K": 0.12, "Q5_0": 0.1, "Q4_K": 0.2, "Q4_0": 0.2}
BLOCK = {"Q8_0": 32, "Q5_0": 32, "Q4_0": 32, "Q4_K": 256, "Q5_K": 256, "Q6_K": 256}  # columns


@dataclass(frozen=True, slots=True)
class Executor:
    """One side of a comparison. ``run`` calls back with the name and output (T, width) of every op, in order."""

    label: str
    program: Program
    format: str  # a key of NOISE
    run: Callable[[Sequence[int], Callable[[str, Floats], None]], None]
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class OpDiff:
    """The largest deviation in the output of one op, and where it is."""

    op: str
    kind: str
    max_abs: float
    relative: float  # to the RMS of a's output
    token: int
    column: int
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class WeightDiff:
    """The first place where a tensor differs by more than its types explain; block counts along rows."""

    tensor: str
    type_a: str
    type_b: str
    block: int | None
    row: int
    column: int
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class SettingDiff:
    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Report:
    """``first`` is None where the two agree within the tolerance."""

    a: str
    b: str
    tokens: int
    tolerance: float
    ops: tuple[OpDiff, ...]
    first: OpDiff | None
    forks: tuple[tuple[str, int], ...]  # (router, token) where the two chose different experts
    settings: tuple[SettingDiff, ...]  # of the whole configuration
    weight: WeightDiff | None  # of the op named first

    @property
    def verdict(self) -> str:
        """One line: what differs first, and why."""
        if self.first is None:
            compared = f"{len(self.ops)} ops agree within {self.tolerance:g} of their RMS"
            return f"{compared}; routing forks first at {self.forks[0][0]}" if self.forks else compared
        first = self.first
        where = f"{first.op} ({first.kind}) differs first: token {first.token}, column {first.column}, "
        where += f"{first.a:.7g} against {first.b:.7g}"
        if self.weight is not None:
            block = "" if self.weight.block is None else f", block {self.weight.block}"
            return f"{where}; cause: tensor {self.weight.tensor}{block} (row {self.weight.row})"
        if self.settings:
            return f"{where}; cause: " + ", ".join(f"{s.name} {s.a} against {s.b}" for s in self.settings)
        return f"{where}; its settings and weights agree, so the executors differ"

    def lines(self) -> Iterator[str]:
        """A table, an op a line, and the verdict."""
        yield f"{'op':<52} {'max abs':>10} {'relative':>10} {'token':>6}"
        for d in self.ops:
            mark = "  <- first" if d is self.first else ""
            yield f"{d.op:<52} {d.max_abs:>10.3g} {d.relative:>10.3g} {d.token:>6}{mark}"
        yield self.verdict

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def trace(a: Executor, b: Executor, tokens: Sequence[int], tolerance: float | None = None) -> Report:
    """Compare two executors on the same tokens; ``tolerance`` overrides what their formats explain."""
    ours, theirs = ({op.name: op for op in side.program.ops} for side in (a, b))
    limit = _default_tolerance(a, b) if tolerance is None else tolerance
    outputs: dict[str, Floats] = {}
    a.run(tokens, lambda name, value: outputs.__setitem__(name, value.copy()))
    alive = np.ones(len(tokens), dtype=bool)  # tokens whose routing has not forked
    diffs: list[OpDiff] = []
    forks: list[tuple[str, int]] = []

    def compare(name: str, value: Floats) -> None:
        if name not in outputs or not alive.any():
            return
        x, y, op = outputs.pop(name), value, ours[name]
        if x.shape != y.shape:
            problem = f"{name} is {x.shape[1]} wide in {a.label}, {y.shape[1]} in {b.label}"
            raise FathomError("checkpoint_mismatch", path=b.label, problem=problem)
        if op.kind == "router":
            x, y = _by_expert(x, op), _by_expert(y, theirs[name])
            if limit > STRICT:
                forked = np.flatnonzero(alive & ((x != 0) != (y != 0)).any(1))
                forks.extend((name, int(token)) for token in forked)
                alive[forked] = False
        if alive.any():
            diffs.append(_largest(op, x, y, alive))

    b.run(tokens, compare)
    first = next((d for d in diffs if not d.relative <= limit), None)  # NaN counts as a difference
    suspect = first.op if first else forks[0][0] if forks else None
    weight = _weight_diff(a, b, ours[suspect]) if suspect else None
    settings = tuple(_setting_diffs(a.program.config, b.program.config))
    return Report(a.label, b.label, len(tokens), limit, tuple(diffs), first, tuple(forks), settings, weight)


def _default_tolerance(a: Executor, b: Executor) -> float:
    if a.format == b.format and a.label.split(":")[0] == b.label.split(":")[0]:
        return 1e-5  # the same kernels on the same types: any difference is real
    return NOISE[a.format] + NOISE[b.format]


def _by_expert(route: Floats, op: Op) -> Floats:
    """(T, [ids | weights]) -> (T, E): the order of the chosen experts does not matter."""
    ids, weights = np.split(route, 2, axis=1)
    out = np.zeros((len(route), op.weights[0].shape[0]), dtype=np.float32)
    np.put_along_axis(out, ids.astype(np.int64), weights, axis=1)
    return out


def _largest(op: Op, x: Floats, y: Floats, alive: NDArray[np.bool_]) -> OpDiff:
    gap = np.where(alive[:, None], np.abs(x.astype(np.float64) - y), 0.0)
    token, column = np.unravel_index(np.argmax(gap), gap.shape)  # argmax finds NaN first
    worst = float(gap[token, column])
    rms = float(np.sqrt(np.mean(np.square(x[alive], dtype=np.float64))))
    relative = 0.0 if worst == 0 else worst / rms if rms else float("inf")
    a, b = float(x[token, column]), float(y[token, column])
    return OpDiff(op.name, op.kind, worst, relative, int(token), int(column), a, b)


def _setting_diffs(a: ModelConfig, b: ModelConfig) -> Iterator[SettingDiff]:
    """Every field of the configuration that decides the computation; rope's as ``rope.theta``."""
    for prefix, x, y in (("", a, b), ("rope.", a.rope, b.rope)):
        for f in fields(x):
            if f.name in ("raw", "dtype", "rope") or f.name.endswith("_token_id"):
                continue
            if (va := getattr(x, f.name)) != (vb := getattr(y, f.name)):
                yield SettingDiff(prefix + f.name, va, vb)


def _weight_diff(a: Executor, b: Executor, op: Op) -> WeightDiff | None:
    """The first weight of the op that differs by more than its stored types explain."""
    if a.checkpoint is None or b.checkpoint is None or a.checkpoint.path == b.checkpoint.path:
        return None
    for weight in op.weights:
        found = _first_block(a.checkpoint, b.checkpoint, weight.name)
        if found is not None:
            return found
    return None


def _first_block(a: Checkpoint, b: Checkpoint, name: str) -> WeightDiff | None:
    types = [_stored(c.tensors.get(name)) for c in (a, b)]
    x, y = (np.atleast_2d(c.floats(name)) for c in (a, b))
    columns = max(block for _, block in types)
    allowed = 0.0 if types[0] == types[1] else sum(ROUNDING[type] for type, _ in types)
    gap = _blocks(np.abs(x - y), columns or 1)
    bad = ~(gap <= allowed * _blocks(np.abs(x), columns or 1))
    if not bad.any():
        return None
    row, block = (int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
    span = slice(block * (columns or 1), (block + 1) * (columns or 1))
    column = span.start + int(np.argmax(np.abs(x[row, span] - y[row, span])))
    index = row * bad.shape[1] + block if columns else None
    return WeightDiff(name, types[0][0], types[1][0], index, row, column, float(x[row, column]), float(y[row, column]))


def _blocks(x: Floats, columns: int) -> Floats:
    """(R, C) -> the largest value of each block of columns (R, ceil(C / columns))."""
    pad = -x.shape[1] % columns
    return np.pad(x, ((0, 0), (0, pad))).reshape(len(x), -1, columns).max(-1)


def _stored(ref: TensorRef | None) -> tuple[str, int]:
    """Type and columns a block (0: every value for itself); a tensor stored in parts is compared as float32."""
    if ref is None:
        return "F32", 0
    if ref.spec is not None:
        return ref.spec["type"], ref.spec["group"]
    return ref.type, BLOCK.get(ref.type, 0)


def executor(model: str | Path, kind: str = "native", dtype: str = "auto") -> Executor:
    """A side of a comparison from a path or name: kind "native" (any dtype) or "reference" (float32, bfloat16)."""
    from .weights.checkpoint import open_checkpoint

    if kind not in ("native", "reference"):
        raise FathomError("format_unsupported", what="executor", found=kind, known="native, reference")
    checkpoint = open_checkpoint(_find(model))
    program = build_program(checkpoint.config)
    if kind == "reference":
        dtype = "float32" if dtype == "auto" else dtype

        def run(tokens: Sequence[int], capture: Callable[[str, Floats], None]) -> None:
            import torch

            from .reference import load_model

            with torch.no_grad():
                load_model(checkpoint, dtype)(
                    torch.tensor([list(tokens)]), capture=lambda name, x: capture(name, x[0].float().numpy())
                )
    else:

        def run(tokens: Sequence[int], capture: Callable[[str, Floats], None]) -> None:
            from .engine.runner import NativeModel
            from .weights.load import load_weights

            model = NativeModel(program, load_weights(checkpoint, program, dtype), cache_dtype="float32")
            model.forward(tokens, model.new_cache(), logits="all", capture=capture)

    format = _format(checkpoint, dtype) if kind == "native" else dtype
    return Executor(f"{kind}:{model}:{dtype}", program, format, run, checkpoint)


def _format(checkpoint: Checkpoint, dtype: str) -> str:
    """The noise class of what the native engine computes with: float activations meet unrounded dense weights."""
    if dtype in ("int8", "int4"):
        return dtype
    stored = {_stored(ref)[0] for ref in checkpoint.tensors.values()}
    if dtype == "float32" or stored <= {"F32", "F16", "BF16"}:
        return "float32"
    return "int4" if stored & {"int4", "Q4_0", "Q4_K"} else "int8"


def _find(model: str | Path) -> Path:
    path = Path(model)
    if path.exists():
        return path
    from .weights.store import resolve

    return resolve(str(model))


def trace_models(
    a: str | Path,
    b: str | Path,
    prompt: str | Sequence[int],
    *,
    executor_a: str = "native",
    executor_b: str = "native",
    dtype_a: str = "auto",
    dtype_b: str = "auto",
    tolerance: float | None = None,
) -> Report:
    """``fathom trace A B``: a text is encoded with A's tokenizer, without BOS."""
    sides = executor(a, executor_a, dtype_a), executor(b, executor_b, dtype_b)
    if isinstance(prompt, str):
        from .text import Tokenizer

        prompt = Tokenizer.load(sides[0].checkpoint).encode(prompt)
    if not prompt:
        raise FathomError("prompt_empty")
    return trace(*sides, prompt, tolerance)
