"""A ``Program`` and its weights on the C++ engine: one call runs all ops over new tokens of any number of sequences.

Lowering happens once, here: buffer names become numbers, weight names become matrices, attributes become numbers. A
step then costs Python a few microseconds. Shapes are checked against the program before anything runs.

Latents lie in pages of 64 tokens; a sequence is a table of page numbers. Tokens in pages that lie wholly inside their
segment are computed by expanded attention, all others by absorbed attention. So where sequences are cut into segments
between pages, logits are the same bits whatever the cuts, the pages and the company.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._native import MAX_TOKENS, Matrix, Pages, Runner
from ..errors import FathomError
from ..machine import cores
from ..model.program import Op, Program
from .pages import PAGE

__all__ = ["Cache", "Form", "Logits", "NativeModel", "Segment"]

Form = Literal["auto", "absorbed", "expanded"]
Logits = Literal["none", "last", "all"]
Weights = Mapping[str, Matrix | NDArray[np.float32]]
Capture = Callable[[str, NDArray[np.float32]], None]
KEPT_ROWS = 64  # of logits, whose memory stays; prompts that are scored want many more


class Segment(NamedTuple):
    """New tokens of one sequence: at positions ``start``... of what lies in the pages of ``table``."""

    tokens: Sequence[int]
    start: int
    table: NDArray[np.int32]
    wanted: int = 1  # logits of so many last tokens


class Cache:
    """One sequence in pages of its own: room is address space, memory is taken as the sequence grows."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.table = np.arange(pages.count, dtype=np.int32)
        self.tokens = 0

    @property
    def nbytes(self) -> int:
        """Of the pages in use."""
        return -(-self.tokens // PAGE) * self.pages.page_bytes

    def truncate(self, tokens: int) -> None:
        """Forgets all but the first tokens."""
        if not 0 <= tokens <= self.tokens:
            raise ValueError(f"cannot truncate a cache of {self.tokens} tokens to {tokens}")
        self.tokens = tokens


class NativeModel:
    """One model in memory. Pages are separate; calls from several threads take turns.

    ``weights`` maps official names to a :class:`Matrix` for two dimensions and a float32 array for one. Instead of
    ``...kv_b_proj.weight`` there may be its halves as GGUF has them: ``...kv_b_proj.k_b`` (heads * rank, nope), each
    head transposed, and ``...kv_b_proj.v_b`` (heads * v, rank).
    """

    max_tokens = MAX_TOKENS  # of a pass, all segments

    def __init__(
        self,
        program: Program,
        weights: Weights,
        *,
        cache_dtype: str = "float32",
        threads: int | None = None,
    ) -> None:
        self.program = program
        self.cache_dtype = cache_dtype
        ops = _Lowering(program, weights).ops()
        self.weight_bytes = [sum(w.nbytes for w in op[4]) for op in ops]  # of each op, as held in memory
        self.seconds: NDArray[np.float64] | None = None  # where set, forward adds the time of each op
        self._runner = Runner(ops, list(program.buffers.values()), threads or cores())
        self._logits = np.empty((KEPT_ROWS, self._runner.vocab_size), np.float32)

    @property
    def threads(self) -> int:
        return self._runner.threads

    def new_pages(self, count: int) -> Pages:
        """Room for ``count`` pages of 64 tokens, for :meth:`step`."""
        return Pages(self._runner.layers, self._runner.cache_width, self.cache_dtype, count)

    def step(self, segments: Sequence[Segment], pages: Pages) -> NDArray[np.float32]:
        """Logits (sum of wanted, V) of up to ``max_tokens`` new tokens in one pass, which fills their pages.

        They hold until the next call: fresh memory for a few of them costs as much as all the rest here.
        """
        tokens: list[int] = []
        parts = []
        rows = 0
        for new, start, table, wanted in segments:
            tokens.extend(new)
            parts.append((start, len(new), table, wanted))
            rows += wanted
        kept = rows <= len(self._logits)
        logits = self._logits[:rows] if kept else np.empty((rows, self._runner.vocab_size), np.float32)
        self._runner.forward(np.array(tokens, np.int32), pages, parts, logits, "auto", None, self.seconds)
        return logits

    def new_cache(self, tokens: int | None = None) -> Cache:
        """An empty sequence with room for ``tokens``, or all that the model was made for."""
        return Cache(self.new_pages(-(-(tokens or self.program.config.max_position_embeddings) // PAGE)))

    def forward(
        self,
        tokens: Sequence[int] | NDArray[np.integer[Any]],
        cache: Cache,
        *,
        logits: Logits = "last",
        form: Form = "auto",
        capture: Capture | None = None,
    ) -> NDArray[np.float32]:
        """Logits (1, n or 0 rows, V) of ``tokens`` behind those in the cache, which grows by them.

        Long inputs run in passes of up to ``max_tokens``. ``capture`` sees the name and output (n, width) of every op
        in order; those behind the last attention have only the rows whose logits are wanted. An error leaves the cache
        as long as it was.
        """
        ids = _token_ids(tokens, self._runner.embeddings)
        wanted = {"none": 0, "last": 1, "all": len(ids)}[logits]
        out = np.empty((wanted, self._runner.vocab_size), np.float32)
        parts: list[list[NDArray[np.float32]]] = [[] for _ in self.program.ops]
        start, begin, end = cache.tokens, 0, 0

        def observe(op: int, rows: NDArray[np.float32]) -> None:
            parts[op].append(rows)
            if capture and end == len(ids):  # the last pass: hand on the rows of all
                capture(self.program.ops[op].name, np.concatenate(parts[op]))
                parts[op].clear()

        while begin < len(ids):
            end = min((start + begin + self.max_tokens) // PAGE * PAGE - start, len(ids))  # cut between pages
            rows = out[max(begin + wanted - len(ids), 0) : max(end + wanted - len(ids), 0)]
            segment = (start + begin, end - begin, cache.table, len(rows))
            observer = observe if capture else None
            self._runner.forward(ids[begin:end], cache.pages, [segment], rows, form, observer, self.seconds)
            begin = end
        cache.tokens = start + len(ids)
        return out


def _token_ids(tokens: Sequence[int] | NDArray[np.integer[Any]], vocab_size: int) -> NDArray[np.int32]:
    ids = np.asarray(tokens)
    if ids.size == 0:
        raise FathomError("prompt_empty")
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise FathomError(
            "parameter_invalid", param="tokens", problem=f"{ids.dtype} of shape {ids.shape}, not a row of ids"
        )
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= vocab_size:
        raise FathomError("token_out_of_range", found=low if low < 0 else high, last=vocab_size - 1)
    return np.ascontiguousarray(ids, np.int32)


class _Lowering:
    """The program in the terms of ``_native.Runner``: (kind, name, inputs, output, weights, attributes)."""

    def __init__(self, program: Program, weights: Weights) -> None:
        self.program = program
        self.weights = weights
        self.buffers = {name: i for i, name in enumerate(program.buffers)}

    def ops(self) -> list[tuple[Any, ...]]:
        ops = self.program.ops
        last = max(i for i, op in enumerate(ops) if op.kind == "latent_attention")  # behind it, rows are on their own
        lowered = []
        for i, op in enumerate(ops):
            attrs = self.attrs(op) | ({"tail": 1} if i > last else {})
            views = [(self.buffers[v.buffer], v.offset, v.width) for v in (*op.inputs, op.output)]
            lowered.append((op.kind, op.name, views[:-1], views[-1], self.tensors(op), attrs))
        return lowered

    def attrs(self, op: Op) -> dict[str, Any]:
        numbers: dict[str, Any] = {key: value for key, value in op.attrs.items() if isinstance(value, int | float)}
        match op.kind:
            case "rope":
                rope = self.program.config.rope
                return numbers | {"inv_freq": rope.inv_freq(numbers["dim"]), "cos_sin_factor": rope.cos_sin_factor}
            case "latent_attention":
                return numbers | {"layer": op.layer}
            case "router":
                flags = {"sigmoid": op.attrs["scoring"] == "sigmoid", "top2": op.attrs["method"] == "noaux_tc"}
                one_group = {"n_group": 1, "topk_group": 1} if op.attrs["method"] == "greedy" else {}
                return numbers | flags | one_group
        return numbers

    def tensors(self, op: Op) -> list[Matrix | NDArray[np.float32]]:
        if op.kind == "latent_attention":
            return self.kv_b(op)
        return [self.tensor(w.name, w.shape) for w in op.weights]

    def tensor(self, name: str, shape: tuple[int, ...]) -> Matrix | NDArray[np.float32]:
        value = self.weights.get(name)
        if value is None:
            raise FathomError("tensor_missing", path="the model", name=name)
        found = (value.rows, value.cols) if isinstance(value, Matrix) else value.shape
        if found != shape:
            raise FathomError("tensor_shape", name=name, found=list(found), expected=list(shape))
        if isinstance(value, Matrix):
            return value
        return np.ascontiguousarray(value, np.float32) if len(shape) == 1 else _dense(value)

    def kv_b(self, op: Op) -> list[Matrix | NDArray[np.float32]]:
        """kv_b_proj whole or in halves."""
        (weight,) = op.weights
        stem = weight.name.removesuffix(".weight")
        if weight.name in self.weights or f"{stem}.k_b" not in self.weights:
            return [self.tensor(weight.name, weight.shape)]
        heads, nope, v, rank = (int(op.attrs[key] or 0) for key in ("heads", "nope", "v", "rank"))
        return [self.tensor(f"{stem}.k_b", (heads * rank, nope)), self.tensor(f"{stem}.v_b", (heads * v, rank))]


def _dense(values: NDArray[np.float32]) -> Matrix:
    data = np.ascontiguousarray(values, np.float32)
    return Matrix.dense(data.reshape(-1).view(np.uint8), "F32", *data.shape)
