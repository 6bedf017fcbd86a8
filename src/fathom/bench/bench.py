"""A model on the bench: its ops timed one by one, memory's read bandwidth measured beside it, the machine watched.

The roof of decoding is that bandwidth over the bytes a step has to read: the weights as they are held (of the experts
those that a pass is expected to touch) and the latent cache. All of it follows from the program.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from fathom import _native
from fathom.llm import LLM
from fathom.machine import memory
from fathom.model.formats import cache_bytes
from fathom.model.program import Op

from .quiet import Others, wait_for_quiet
from .record import processor

__all__ = ["Bench"]

PATIENCE = 30.0  # seconds that all waits of a run together may take
PROBE_BYTES = 256 << 20  # at least; four times the last cache where that is more
PACKED = ("linear", "mlp", "experts")  # ops of every token that round activations where weights are packed
PROBE_SECONDS = 0.1  # a measurement of bandwidth lasts
AMX_ROUNDS = 100_000  # of four tile products a chunk: 2 ms, beside which asking for the tiles is nothing


class Bench:
    """``wait`` before a measured part, run it inside ``with bench.others``, and ``read`` in between.

    ``neighbours`` are processes that belong to what is measured.
    """

    def __init__(self, llm: LLM, *neighbours: int) -> None:
        self.llm, self.model = llm, llm.model
        self.pids: tuple[int | str, ...] = ("self", *neighbours)
        self.model.seconds = self.op_seconds = np.zeros(len(llm.program.ops))
        self.others = Others(*self.pids)
        self.quiet = True  # all waits so far ended with a quiet machine
        self._patience = PATIENCE
        self._rates: list[float] = []
        self._peaks: list[float] = []
        self._probe: tuple[_native.Pool, np.ndarray[Any, Any]] | None = None
        self._peak = 0.0  # GiB before there was a probe

    def warm_up(self, tokens: int = 8) -> None:
        """Threads, and the memory that so many tokens touch, are awake when measuring begins."""
        self.model.forward(self.tokens(tokens, seed=-1), self.model.new_cache())

    def wait(self) -> None:
        started = time.monotonic()
        self.quiet &= wait_for_quiet(self._patience)
        self._patience -= min(time.monotonic() - started, self._patience)

    def read(self) -> float:
        """Measures how many bytes a second as many threads as the model has read from memory."""
        if self._probe is None:
            self._peak = _peak_gib() or 0.0
            nbytes = min(max(PROBE_BYTES, 4 * _last_cache()), memory().available // 4)
            self._probe = _native.Pool(self.model.threads), np.ones(nbytes, np.uint8)
        pool, data = self._probe
        count, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < PROBE_SECONDS:
            pool.read(data)
            count += 1
        self._rates.append(count * data.nbytes / took)
        return self._rates[-1]

    def multiply(self) -> None:
        """Measures how many int8 operations a second the same threads do on AMX tiles, where there are any."""
        pool, count, start = _native.Pool(self.model.threads), 0, time.perf_counter()
        while (took := time.perf_counter() - start) < PROBE_SECONDS:
            if (done := pool.multiply_tiles(AMX_ROUNDS)) == 0:
                return
            count += done
        self._peaks.append(count / took)

    def amx_fraction(self, tokens: int, seconds: float) -> float | None:
        """Share of that peak in a prefill of so many tokens; products with float weights don't count."""
        if not self._peaks:
            return None
        ops = zip(self.llm.program.ops, self.model.weight_bytes, strict=True)
        macs = sum(op.macs() for op, held in ops if op.kind in PACKED and held < 1.5 * sum(w.size for w in op.weights))
        return round(2 * macs * tokens / seconds / statistics.median(self._peaks), 4)

    @property
    def bandwidth(self) -> float:
        """Bytes a second, the median of what was measured."""
        return statistics.median(self._rates)

    @property
    def peak_rss_gib(self) -> float | None:
        """The most memory the process had, without the probe's own."""
        peak = _peak_gib()
        probe = self._probe[1].nbytes / 2**30 if self._probe else 0.0
        return None if peak is None else round(max(self._peak, peak - probe), 3)

    def bytes_read(self, context: int, tokens: int = 1, sequences: int = 1) -> list[int]:
        """Bytes that a pass reads for each op: ``tokens`` new ones in each of so many sequences.

        ``context`` is what a sequence has then, the new tokens included.
        """
        return [
            round(held * op.share_read(tokens * sequences)) + sequences * self._cache_bytes(op, context)
            for op, held in zip(self.llm.program.ops, self.model.weight_bytes, strict=True)
        ]

    def cache_bytes(self, context: int) -> int:
        """Of those, bytes of the latent cache of one sequence."""
        return sum(self._cache_bytes(op, context) for op in self.llm.program.ops)

    def _cache_bytes(self, op: Op, context: int) -> int:
        if op.kind != "latent_attention":
            return 0
        return cache_bytes(self.llm.program, context, self.model.cache_dtype) // self.llm.config.num_hidden_layers

    def tokens(self, count: int, seed: int = 0) -> list[int]:
        """Token ids spread over the vocabulary: each pass touches other experts."""
        return [(i * 7919 + seed * 104729 + 13) % self.llm.config.vocab_size for i in range(count)]

    def facts(self, what: str) -> dict[str, Any]:
        """What was measured, where."""
        return {
            "bench": what,
            "model": self.llm.name,
            "format": self.llm.format,
            "threads": self.model.threads,
            "cpu": processor(),
            "level": _native.level(),
        }

    def conditions(self) -> dict[str, Any]:
        """How the machine was meanwhile; behind the figures."""
        return {
            "read_gb_s": round(self.bandwidth / 1e9, 2),
            "peak_rss_gib": self.peak_rss_gib,
            "other_cpu_percent": self.others.percent,
            "quiet": self.quiet,
        }


def _peak_gib() -> float | None:
    status = Path("/proc/self/status")
    rows = status.read_text().splitlines() if status.exists() else []
    return next((int(row.split()[1]) / 2**20 for row in rows if row.startswith("VmHWM")), None)


def _last_cache() -> int:
    """Bytes of the largest cache of a core; 0 where nothing says so."""
    sizes = (path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    return max((int(size[:-1]) << 10 for size in sizes if size.endswith("K")), default=0)
