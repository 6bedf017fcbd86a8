"""The batches of a run: ``batch(phase, step)`` is a pure function, so the state of the loader is one integer.

The global batch of a step is the same for every number of processes; each takes its share of the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fathom.errors import FathomError

from .packing import Plan, pack
from .tokens import TokenSet

__all__ = ["Batch", "Batches", "Phase"]

_GOLDEN = 0.6180339887498949
_BLOCK = 1 << 16  # rows


@dataclass(frozen=True)
class Phase:
    """A stretch of the run with one mixture and one shape."""

    shares: Mapping[str, float]  # set -> share of the rows; they need not sum to 1
    length: int  # T, tokens a row
    rows: int  # B, of a step over all processes
    assistant_only: bool = False  # learn only where a set's loss mask says so


@dataclass(frozen=True)
class Batch:
    """B rows of T places, C order. ``targets[b, t]`` follows ``inputs[b, t]`` in the same document."""

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    loss: NDArray[np.bool_]  # False: padding, or not to be learnt in this phase
    document: NDArray[np.int32]  # number of the document within the row, for the mask; padding has its own
    position: NDArray[np.int32]  # within the piece


class Batches:
    """Batches of ``phases`` from ``sets``, in an order drawn from ``seed``."""

    def __init__(self, sets: Mapping[str, TokenSet], phases: Sequence[Phase], seed: int = 0) -> None:
        for phase in phases:
            if unknown := sorted(set(phase.shares) - set(sets)):
                raise FathomError(
                    "data_invalid", source=", ".join(unknown), problem=f"no such set; known: {', '.join(sets)}"
                )
            if not phase.shares or min(phase.shares.values()) <= 0 or phase.rows < 1 or phase.length < 1:
                raise FathomError("data_invalid", source="phases", problem="shares, rows and length must be above zero")
        self.sets, self.phases, self.seed = dict(sets), list(phases), seed
        self._plans: dict[tuple[str, int], Plan] = {}
        self._order = lru_cache(maxsize=64)(self._shuffled)
        self._before = lru_cache(maxsize=4)(self._count_before)

    @property
    def hash(self) -> str:
        """Of the data and of everything that decides which row comes when."""
        told = [(name, s.hash) for name, s in sorted(self.sets.items()) if any(name in p.shares for p in self.phases)]
        phases = [(sorted(p.shares.items()), p.length, p.rows, p.assistant_only) for p in self.phases]
        return hashlib.sha256(repr((told, phases, self.seed)).encode()).hexdigest()

    def batch(self, phase: int, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The rows of process ``rank`` of ``world`` in ``step`` (from 0) of ``phase``."""
        told = self.phases[phase]
        if told.rows % world:
            raise FathomError("data_invalid", source="rows", problem=f"{told.rows} rows do not divide among {world}")
        here = told.rows // world
        chosen = self._rows(phase, step)[rank * here : (rank + 1) * here]
        shape = (here, told.length)
        inputs, targets, document, position = (np.zeros(shape, np.int32) for _ in range(4))
        loss = np.zeros(shape, np.bool_)
        steps = np.arange(told.length, dtype=np.int32)
        for b, (name, row) in enumerate(chosen):
            tokens, mask = self.sets[name].tokens, self.sets[name].loss if told.assistant_only else None
            plan, at, number = self.plan(name, told.length), 0, 0
            for piece in range(plan.rows[row], plan.rows[row + 1]):
                start, n = int(plan.start[piece]), int(plan.length[piece])
                inputs[b, at : at + n] = tokens[start : start + n]
                targets[b, at : at + n] = tokens[start + 1 : start + n + 1]
                loss[b, at : at + n] = True if mask is None else mask[start + 1 : start + n + 1]
                document[b, at : at + n] = number
                position[b, at : at + n] = steps[:n]
                at, number = at + n, number + 1
            document[b, at:] = number
            position[b, at:] = steps[: told.length - at]
        return Batch(inputs, targets, loss, document, position)

    def plan(self, name: str, length: int) -> Plan:
        """How the documents of a set fill rows; made once."""
        if (name, length) not in self._plans:
            self._plans[name, length] = pack(self.sets[name].offsets, length)
        return self._plans[name, length]

    def repeats(self, steps: Sequence[int]) -> dict[str, float]:
        """How often each set is seen in all over so many steps of each phase."""
        seen = dict.fromkeys(self.sets, 0.0)
        for phase, count in zip(self.phases, steps, strict=True):
            total = sum(phase.shares.values())
            for name, share in phase.shares.items():
                seen[name] += count * phase.rows * share / total / len(self.plan(name, phase.length))
        return seen

    def refuse_repeats(self, steps: Sequence[int], limit: float) -> None:
        """Before a run: a set seen more than ``limit`` times is memorised, not learnt from."""
        over = {name: times for name, times in self.repeats(steps).items() if times > limit}
        if over:
            told = ", ".join(f"{name} {times:.1f}" for name, times in over.items())
            raise FathomError("data_repeats", limit=f"{limit:g}", found=told)

    def _rows(self, phase: int, step: int) -> list[tuple[str, int]]:
        """(set, row of its plan) of every row of the global batch."""
        told = self.phases[phase]
        names, chosen = list(told.shares), []
        first = step * told.rows
        block = first - first % _BLOCK
        before = self._before(phase, block) + self._counts(phase, block, first)
        for index in self._which(phase, first, first + told.rows).tolist():
            name = names[index]
            epoch, row = divmod(int(before[index]), len(self.plan(name, told.length)))
            before[index] += 1
            chosen.append((name, int(self._order(phase, name, epoch)[row])))
        return chosen

    def _which(self, phase: int, first: int, last: int) -> NDArray[np.intp]:
        """The number of the set of each row: that whose share holds the row's term of a golden-ratio sequence, so that
        any stretch of rows has the shares to within a few rows."""
        ends = np.cumsum(list(self.phases[phase].shares.values()))
        places = (np.arange(first, last) * _GOLDEN) % 1.0 * ends[-1]
        which: NDArray[np.intp] = np.searchsorted(ends[:-1], places, side="right")
        return which

    def _counts(self, phase: int, first: int, last: int) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = np.bincount(
            self._which(phase, first, last), minlength=len(self.phases[phase].shares)
        )
        return counts

    def _count_before(self, phase: int, row: int) -> NDArray[np.int64]:
        """How many of the rows before ``row``, a multiple of the block, each set had."""
        counts = np.zeros(len(self.phases[phase].shares), np.int64)
        for start in range(0, row, _BLOCK):
            counts += self._counts(phase, start, start + _BLOCK)
        return counts

    def _shuffled(self, phase: int, name: str, epoch: int) -> NDArray[np.int64]:
        key = hashlib.sha256(f"{self.seed}/{self.sets[name].hash}/{phase}/{epoch}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(key[:8], "little"))
        return rng.permutation(len(self.plan(name, self.phases[phase].length)))
