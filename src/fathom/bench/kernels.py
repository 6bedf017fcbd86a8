"""Each op of the program beside its roof: time, bytes, arithmetic; ops that the layers have in common in one row.

Attention reads kv_b_proj and the latent cache. What the cache alone costs is the time beyond that of the same pass
behind an empty cache, beside the roof of the bytes that it reads more than that one.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fathom.engine.pages import PAGE
from fathom.model.program import Op

from .bench import Bench

__all__ = ["measure"]

LEAST_SECONDS = 0.5  # of passes a round
Seconds = np.ndarray[Any, Any]  # of each op


def measure(bench: Bench, tokens: int, context: int, rounds: int) -> dict[str, Any]:
    """One row a group of ops, in the order of the program; times are the sums of each op's median."""
    passes, empty = _passes(bench, tokens, context, rounds)
    seconds = np.median(passes, axis=0)
    nbytes = bench.bytes_read(context + tokens, tokens)
    flops = _flops(bench, tokens, context)
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, op in enumerate(bench.llm.program.ops):
        groups.setdefault(op.signature, []).append(i)
    rows = []
    for (name, kind, *_), members in groups.items():
        took, read = float(sum(seconds[i] for i in members)), sum(nbytes[i] for i in members)
        rows.append(
            {
                "op": name,
                "kind": kind,
                "count": len(members),
                "time_share": round(took / float(seconds.sum()), 4),
                "ms": round(1e3 * took, 4),
                "bytes": read,
                "flops": sum(flops[i] for i in members),
                "gb_s": round(read / took / 1e9, 2),
                "gflop_s": round(sum(flops[i] for i in members) / took / 1e9, 2),
                "roof_fraction": round(read / took / bench.bandwidth, 3),
            }
        )
    counts = {"tokens": tokens, "context": context, "passes": len(passes)}
    total = {"ms": round(1e3 * float(seconds.sum()), 4), "bytes": sum(nbytes), "flops": sum(flops)}
    total["roof_fraction"] = round(sum(nbytes) / float(seconds.sum()) / bench.bandwidth, 3)
    cache = _cache(bench, context, seconds - np.median(empty, axis=0))
    return {**bench.facts("kernels"), **counts, **bench.conditions(), **total, **cache, "ops": rows}


def _cache(bench: Bench, context: int, beyond: Seconds) -> dict[str, Any]:
    """What the latents of ``context`` tokens cost, all layers together; null where that is lost in the noise."""
    attention = [i for i, op in enumerate(bench.llm.program.ops) if op.kind == "latent_attention"]
    nbytes, took = bench.cache_bytes(context), float(beyond[attention].sum())
    known = nbytes > 0 and took > 0
    return {
        "cache_layer_bytes": nbytes // len(attention),
        "cache_ms": round(1e3 * took, 4) if known else None,
        "cache_roof_fraction": round(nbytes / took / bench.bandwidth, 3) if known else None,
    }


def _passes(bench: Bench, tokens: int, context: int, rounds: int) -> tuple[list[Seconds], list[Seconds]]:
    """Seconds of every op in every pass, and in passes behind an empty cache, in turn.

    Each pass has other tokens, hence other experts.
    """
    cache, empty = bench.model.new_cache(), bench.model.new_cache(tokens)
    bench.model.forward(bench.tokens(context + tokens), cache, logits="none")  # the last ones wake everything up
    passes: list[Seconds] = []
    base: list[Seconds] = []
    for _ in range(rounds):
        bench.wait()
        bench.read()
        with bench.others:
            deadline = time.perf_counter() + LEAST_SECONDS
            while not passes or time.perf_counter() < deadline:
                new = bench.tokens(tokens, seed=len(passes) + 1)
                for sequence, depth, taken in ((cache, context, passes), (empty, 0, base)):
                    sequence.truncate(depth)
                    bench.op_seconds[:] = 0
                    bench.model.forward(new, sequence)
                    taken.append(bench.op_seconds.copy())
    return passes, base


def _flops(bench: Bench, tokens: int, context: int) -> list[int]:
    """Of each op in a pass; behind the last attention only the last token goes on."""
    ops = bench.llm.program.ops
    last = max(i for i, op in enumerate(ops) if op.kind == "latent_attention")
    seen = context + (tokens + 1) // 2  # by a token, on average
    return [2 * _macs(op, tokens if i <= last else 1, context, seen) for i, op in enumerate(ops)]


def _macs(op: Op, tokens: int, cached: int, seen: int) -> int:
    """Attention of new whole pages is expanded, which begins with keys and values of the tokens before."""
    if op.kind != "latent_attention":
        return tokens * op.macs(seen)
    whole = max(0, (cached + tokens) // PAGE - -(-cached // PAGE)) * PAGE
    before = cached * op.macs(0) if whole else 0
    return (tokens - whole) * op.macs(seen, "absorbed") + whole * op.macs(seen, "expanded") + before
