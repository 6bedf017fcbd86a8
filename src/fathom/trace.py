"""Where two models part: the same tokens through two executors, compared op by op, and the cause looked up.

The two may be executors (native, PyTorch), checkpoints or formats. Each runs alone, so memory holds one model at a
time. The first op whose output differs by more than the tolerance is named; then the configurations and the weights of
that op are compared, down to the block of a quantised tensor. The tolerance is relative to the RMS of a buffer and
follows from what the two formats can explain.

Routing is the one discontinuity: where rounding makes two experts change places, everything after differs for that
token and those that attend to it. Such tokens are reported as forks and left out from there on, unless the formats
leave no room for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .config import ModelConfig
from .errors import FathomError
from .model.program import Op, Program, build_program
from .weights.checkpoint import DECODED

if TYPE_CHECKING:
    from .weights.checkpoint import Checkpoint, TensorRef

__all__ = ["Executor", "Fork", "OpDiff", "Report", "SettingDiff", "WeightDiff", "executor", "trace", "trace_models"]

Floats = NDArray[np.float32]
Capture = Callable[[str, Floats], None]  # name and output (T, width) of an op
Run = Callable[[Sequence[int], Capture], None]

SAME = 1e-5  # the same kernels on weights of the same types: any difference is real
STRICT = 2e-3  # up to this tolerance a fork of the routing is a difference, not noise

#: What the weights of an executor may be converted to while loading; "auto" leaves them as they are stored.
DTYPES = {"native": ("auto", "float32", "bfloat16", "int8", "int4"), "reference": ("auto", "float32", "bfloat16")}

#: Largest deviation of an op's output, relative to its RMS, that rounding explains: of activations (as native int8
#: kernels and bfloat16 do), and of weights. Measured on random models of 3 layers and on `mini`: 5e-5, 0.15, 0.15 in
#: the first layers to 0.45 in the last; 1.4 for int4 weights.
ARITHMETIC = {"float32": 5e-4, "bfloat16": 0.3, "int8": 0.6}
WEIGHTS = {"F32": 0.0, "F16": 0.01, "BF16": 0.05, "int8": 0.2, "int4": 1.5}
WEIGHTS |= {"Q8_0": 0.2, "Q6_K": 0.3, "Q5_K": 0.8, "Q5_0": 0.8, "Q4_K": 1.5, "Q4_0": 1.5}
WEIGHTS |= dict.fromkeys(DECODED, 3.0)  # not measured; down to 2 bits

#: Largest error of a value, relative to the largest of its block, that rounding to a stored type explains.
ROUNDING = {"F32": 0.0, "F16": 2**-10, "BF16": 2**-8, "int8": 0.01, "int4": 0.2}
ROUNDING |= {"Q8_0": 0.01, "Q6_K": 0.06, "Q5_K": 0.12, "Q5_0": 0.1, "Q4_K": 0.2, "Q4_0": 0.2}
ROUNDING |= dict.fromkeys(DECODED, 0.5)
BLOCK = {"Q8_0": 32, "Q5_0": 32, "Q4_0": 32, "Q4_K": 256, "Q5_K": 256, "Q6_K": 256}  # columns


@dataclass(frozen=True, slots=True)
class Executor:
    """One side of a comparison. ``run`` takes token ids and shows the output of every op."""

    label: str
    kind: str  # "native" | "reference"
    arithmetic: str  # a key of ARITHMETIC
    weights: frozenset[str]  # keys of WEIGHTS: the types of its matrices
    program: Program
    run: Run
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
class Fork:
    """A token for which the two sides chose different experts."""

    router: str
    token: int


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
    total: int  # ops of the program
    ops: tuple[OpDiff, ...]  # those compared, in the order they run
    first: OpDiff | None  # of them, the first beyond the tolerance
    forks: tuple[Fork, ...]
    weight: WeightDiff | None  # of the op named first
    settings: tuple[SettingDiff, ...]  # all that differ
    cause: str | None  # "weight" | "setting" | "executor" of the first

    @property
    def verdict(self) -> str:
        """One line: what differs first, and why."""
        if self.first is None:
            text = f"{len(self.ops)} of {self.total} ops agree within {self.tolerance:g} of their RMS"
            if self.forks:
                text += f"; rounding led {len({fork.token for fork in self.forks})} of {self.tokens} tokens to other "
                text += f"experts, first in {self.forks[0].router}; from there on they and later tokens are left out"
            return text
        first = self.first
        text = f"{first.op} ({first.kind}) differs first: token {first.token}, column {first.column}, "
        text += f"{first.a:.7g} against {first.b:.7g}; "
        if self.cause == "weight" and self.weight is not None:
            block = "" if self.weight.block is None else f", block {self.weight.block}"
            return f"{text}cause: tensor {self.weight.tensor}{block}, row {self.weight.row}"
        if self.cause == "setting":
            return f"{text}cause: " + ", ".join(f"{s.name} {s.a} against {s.b}" for s in self.settings)
        return f"{text}its weights and settings agree, so the executors differ"

    def lines(self) -> Iterator[str]:
        """A table, an op a line, and the verdict."""
        yield f"{'op':<56} {'max abs':>10} {'relative':>10} {'token':>6}"
        for d in self.ops:
            mark = "  <- first" if self.first and d.op == self.first.op else ""
            yield f"{d.op:<56} {d.max_abs:>10.3g} {d.relative:>10.3g} {d.token:>6}{mark}"
        yield self.verdict

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, which knows neither infinity nor NaN: they become null."""
        text = json.dumps({**asdict(self), "verdict": self.verdict})
        return dict(json.loads(text, parse_constant=lambda _: None))


def trace(a: Executor, b: Executor, tokens: Sequence[int], tolerance: float | None = None) -> Report:
    """Compare two executors on the same tokens; ``tolerance`` overrides what their formats explain."""
    settings = tuple(_setting_diffs(a.program.config, b.program.config))
    if (problem := _mismatch(a.program, b.program)) is not None:
        problem += "".join(f"; {s.name} {s.a} against {s.b}" for s in settings)
        raise FathomError("checkpoint_mismatch", path=b.label, problem=f"{problem}; trace needs one architecture")
    limit = _default_tolerance(a, b) if tolerance is None else tolerance
    x, y = _outputs(a, tokens), _outputs(b, tokens)
    ops, forks = _compare(a.program, x, y, limit)
    first = next((d for d in ops if not d.relative <= limit), None)  # NaN is a difference too
    weight, cause = None, None
    if first is not None:
        weight, cause = _cause(a, b, first.op)
    elif forks:  # of rounding, unless the router itself differs
        weight, cause = _cause(a, b, forks[0].router)
        if cause == "executor":
            cause = None
        else:
            op = next(op for op in a.program.ops if op.name == forks[0].router)
            first = _largest(op, _by_expert(x[op.name], op), _by_expert(y[op.name], op))
    total = len(a.program.ops)
    return Report(a.label, b.label, len(tokens), limit, total, ops, first, forks, weight, settings, cause)


def _default_tolerance(a: Executor, b: Executor) -> float:
    arithmetic = ARITHMETIC[a.arithmetic] + ARITHMETIC[b.arithmetic]
    if a.weights != b.weights:
        return arithmetic + sum(max(WEIGHTS[type] for type in side.weights) for side in (a, b))
    return SAME if (a.kind, a.arithmetic) == (b.kind, b.arithmetic) else arithmetic


def _mismatch(a: Program, b: Program) -> str | None:
    for op, other in zip_longest(a.ops, b.ops):
        if op is None or other is None or op.name != other.name:
            return f"op {op and op.name} against {other and other.name}"
        if (op.output, op.weights) != (other.output, other.weights):
            return f"op {op.name} has other shapes"
    return None


def _outputs(side: Executor, tokens: Sequence[int]) -> dict[str, Floats]:
    outputs: dict[str, Floats] = {}
    side.run(tokens, lambda name, rows: outputs.__setitem__(name, rows.copy()))  # the buffer is used again
    return outputs


def _compare(
    program: Program, xs: dict[str, Floats], ys: dict[str, Floats], limit: float
) -> tuple[tuple[OpDiff, ...], tuple[Fork, ...]]:
    alive = np.ones(len(next(iter(xs.values()))), dtype=bool)  # tokens that went to the same experts so far
    diffs: list[OpDiff] = []
    forks: list[Fork] = []
    for op in program.ops:
        x, y = xs[op.name], ys[op.name]
        if op.kind == "router":
            x, y = _by_expert(x, op), _by_expert(y, op)
            if limit > STRICT:
                forked = alive & ((x != 0) != (y != 0)).any(1)
                forks += [Fork(op.name, int(token)) for token in np.flatnonzero(forked)]
                alive &= ~np.logical_or.accumulate(forked)  # later tokens attend to it; a prefix stays
        if not alive.any():
            break
        diffs.append(_largest(op, x[alive], y[alive]))
    return tuple(diffs), tuple(forks)


def _by_expert(route: Floats, op: Op) -> Floats:
    """(T, [ids | weights]) -> (T, E): the order of the chosen experts does not matter."""
    ids, weights = np.split(route, 2, axis=1)
    out = np.zeros((len(route), op.weights[0].shape[0]), dtype=np.float32)
    np.put_along_axis(out, ids.astype(np.int64), weights, axis=1)
    return out


def _largest(op: Op, x: Floats, y: Floats) -> OpDiff:
    gap = np.abs(x.astype(np.float64) - y)
    token, column = (int(i) for i in np.unravel_index(np.argmax(gap), gap.shape))  # argmax finds NaN first
    worst, rms = float(gap[token, column]), float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))
    relative = 0.0 if worst == 0 else worst / rms if rms else float("inf")
    return OpDiff(op.name, op.kind, worst, relative, token, column, float(x[token, column]), float(y[token, column]))


def _setting_diffs(a: ModelConfig, b: ModelConfig) -> Iterator[SettingDiff]:
    """Every field that decides the computation; rope's as ``rope.theta``."""
    for prefix, x, y in (("", a, b), ("rope.", a.rope, b.rope)):
        for name in (f.name for f in fields(x)):
            if name in ("raw", "dtype", "rope") or name.endswith("_token_id"):
                continue
            if (ours := getattr(x, name)) != (theirs := getattr(y, name)):
                yield SettingDiff(prefix + name, ours, theirs)


def _cause(a: Executor, b: Executor, name: str) -> tuple[WeightDiff | None, str]:
    """Why the op of this name differs: its weights, else its settings, else the executors."""
    op, other = (next(op for op in side.program.ops if op.name == name) for side in (a, b))
    if (weight := _weight_diff(a, b, op)) is not None:
        return weight, "weight"
    same_rope = op.kind != "rope" or a.program.config.rope == b.program.config.rope
    return None, "executor" if op.attrs == other.attrs and same_rope else "setting"


def _weight_diff(a: Executor, b: Executor, op: Op) -> WeightDiff | None:
    """The first weight of the op that differs by more than its stored types explain."""
    if a.checkpoint is None or b.checkpoint is None or a.checkpoint.path == b.checkpoint.path:
        return None
    names = (name for weight in op.weights for name in _stored_names(a.checkpoint, b.checkpoint, weight.name))
    found = (_first_block(a.checkpoint, b.checkpoint, name) for name in names)
    return next((diff for diff in found if diff is not None), None)


def _stored_names(a: Checkpoint, b: Checkpoint, name: str) -> list[str]:
    """The tensor, or the two halves of it that both hold."""
    from .weights.names import split_kv_b

    halves = list(split_kv_b(name, a.config))
    return halves if all(half in c.tensors for half in halves for c in (a, b)) else [name]


def _first_block(a: Checkpoint, b: Checkpoint, name: str) -> WeightDiff | None:
    refs = [c.tensors.get(name) for c in (a, b)]
    (type_a, block_a), (type_b, block_b) = (_stored(ref) for ref in refs)
    if type_a == type_b and all(refs) and len({ref.map().tobytes() for ref in refs if ref}) == 1:
        return None
    allowed = 0.0 if type_a == type_b else ROUNDING[type_a] + ROUNDING[type_b]
    columns = max(block_a, block_b, 1)
    x, y = (np.atleast_2d(c.floats(name)) for c in (a, b))
    gap = np.abs(x - y)
    bad = ~(_blocks(gap, columns) <= allowed * _blocks(np.abs(x), columns))
    if not bad.any():
        return None
    row, block = (int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))
    column = block * columns + int(np.argmax(gap[row, block * columns : (block + 1) * columns]))
    index = row * bad.shape[1] + block if columns > 1 else None
    return WeightDiff(name, type_a, type_b, index, row, column, float(x[row, column]), float(y[row, column]))


def _blocks(x: Floats, columns: int) -> Floats:
    """The largest value of each block: (R, C) -> (R, ceil(C / columns))."""
    padded = np.pad(x, ((0, 0), (0, -x.shape[1] % columns)))
    largest: Floats = padded.reshape(len(x), -1, columns).max(-1)
    return largest


def _stored(ref: TensorRef | None) -> tuple[str, int]:
    """Type and columns a block (0: none); a kv_b_proj that only one side stores in halves is compared as floats."""
    if ref is None:
        return "F32", 0
    if ref.spec is not None:
        return ref.spec["type"], ref.spec["group"]
    return ref.type, BLOCK.get(ref.type, 0)


def executor(model: str | Path, kind: str = "native", dtype: str = "auto") -> Executor:
    """A side of a comparison from a path or name; kinds and their dtypes stand in :data:`DTYPES`."""
    from .hub.store import resolve
    from .weights.checkpoint import DENSE, open_checkpoint

    if kind not in DTYPES:
        raise FathomError("choice_unknown", what="executor", found=kind, known=", ".join(DTYPES))
    if dtype not in DTYPES[kind]:
        raise FathomError("choice_unknown", what="dtype", found=dtype, known=", ".join(DTYPES[kind]))
    checkpoint = open_checkpoint(resolve(model))
    program = build_program(checkpoint.config)
    weights = frozenset(_stored(ref)[0] for ref in checkpoint.tensors.values() if len(ref.shape) == 2)
    if kind == "reference":
        arithmetic = "bfloat16" if dtype == "bfloat16" else "float32"
        run = _reference(checkpoint, arithmetic)
    else:
        if dtype in ("bfloat16", "int8", "int4"):
            weights = frozenset({"BF16" if dtype == "bfloat16" else dtype})
        arithmetic = "float32" if weights <= set(DENSE) or dtype == "float32" else "int8"
        run = _native(checkpoint, program, dtype)
    return Executor(f"{model} ({kind}, {dtype})", kind, arithmetic, weights, program, run, checkpoint)


def _native(checkpoint: Checkpoint, program: Program, dtype: str) -> Run:
    def run(tokens: Sequence[int], capture: Capture) -> None:
        from .engine.runner import NativeModel
        from .weights.load import load_weights

        model = NativeModel(program, load_weights(checkpoint, program, dtype), cache_dtype="float32")
        model.forward(tokens, model.new_cache(len(tokens)), logits="all", capture=capture)

    return run


def _reference(checkpoint: Checkpoint, dtype: str) -> Run:
    def run(tokens: Sequence[int], capture: Capture) -> None:
        from .reference import load_model

        load_model(checkpoint, dtype).observe(tokens, capture)

    return run


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
    tokens = _encode(prompt, sides[0].checkpoint) if isinstance(prompt, str) else prompt
    if not tokens:
        raise FathomError("prompt_empty")
    return trace(*sides, tokens, tolerance)


def _encode(text: str, checkpoint: Checkpoint | None) -> list[int]:
    if checkpoint is None or not checkpoint.tokenizer_files:
        raise FathomError("no_tokenizer", path=checkpoint and checkpoint.path)
    from .text.tokenizer import Tokenizer

    return Tokenizer.load(checkpoint.tokenizer_files, name=checkpoint.path).encode(text)
