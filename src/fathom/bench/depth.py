"""Speed against the depth of the cache: a chunk of a prompt and single steps behind 0 ... 16k tokens.

What the latent cache costs shows here and nowhere else; the idea is ik_llama.cpp's sweep-bench.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from fathom.engine.runner import Cache

from .bench import Bench

__all__ = ["CHUNK", "measure"]

CHUNK = 512  # tokens of the measured piece of a prompt


def measure(bench: Bench, depths: Sequence[int], decode_tokens: int, rounds: int) -> dict[str, Any]:
    """One row a depth; the cache grows from depth to depth, every round leaves it as it was."""
    cache = bench.model.new_cache()
    bench.warm_up()
    speeds = [_at(bench, cache, depth, decode_tokens, rounds) for depth in sorted(set(depths))]
    rows = []
    for depth, chunk, step in speeds:
        roof = bench.bandwidth / sum(bench.bytes_read(depth + (decode_tokens + 1) // 2))
        rows.append(
            {
                "depth": depth,
                "prefill_tok_s": round(CHUNK / chunk, 2),
                "decode_tok_s": round(1 / step, 2),
                "decode_roof_tok_s": round(roof, 2),
                "decode_roof_fraction": round(1 / step / roof, 3),
            }
        )
    counts = {"chunk_tokens": CHUNK, "decode_tokens": decode_tokens, "rounds": rounds}
    return {**bench.facts("depth"), **counts, **bench.conditions(), "depths": rows}


def _at(bench: Bench, cache: Cache, depth: int, decode_tokens: int, rounds: int) -> tuple[int, float, float]:
    """(depth, seconds of a chunk, seconds of a step): medians."""
    if depth > cache.tokens:
        bench.model.forward(bench.tokens(depth)[cache.tokens :], cache, logits="none")
    chunks, steps = [], []
    for number in range(rounds):
        bench.wait()
        bench.read()
        chunks.append(_seconds(bench, cache, bench.tokens(CHUNK, seed=number + 1), CHUNK))
        bench.read()
        steps.append(_seconds(bench, cache, bench.tokens(decode_tokens, seed=number + 1), 1) / decode_tokens)
    return depth, statistics.median(chunks), statistics.median(steps)


def _seconds(bench: Bench, cache: Cache, tokens: list[int], size: int) -> float:
    """Seconds that the tokens take, ``size`` a pass; the cache is then as it was."""
    depth = cache.tokens
    with bench.others:
        start = time.perf_counter()
        for begin in range(0, len(tokens), size):
            bench.model.forward(tokens[begin : begin + size], cache)
        took = time.perf_counter() - start
    cache.truncate(depth)
    return took
