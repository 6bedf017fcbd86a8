"""Each op of the program beside its roof: time, bytes, arithmetic; ops that the layers have in common in one row."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fathom.engine.pages import PAGE
from fathom.model.program import Op

from .bench import Bench

__all__ = ["measure"]

LEAST_SECONDS = 0.5  # of passes a round


def measure(bench: Bench, tokens: int, context: int, rounds: int) -> dict[str, Any]:
    """One row a group of ops, in the order of the program; times are the sums of each op's median."""
    passes = _passes(bench, tokens, context, rounds)
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
    return {**bench.facts("kernels"), **counts, **bench.conditions(), **total, "ops": rows}


def _passes(bench: Bench, tokens: int, context: int, rounds: int) -> list[np.ndarray[Any, Any]]:
    """Seconds of every op in every pass; each pass has other tokens, hence other experts."""
    cache = bench.model.new_cache()
    bench.model.forward(bench.tokens(context + tokens), cache, logits="none")  # the last ones wake everything up
    passes: list[np.ndarray[Any, Any]] = []
    for _ in range(rounds):
        bench.wait()
        bench.read()
        with bench.others:
            deadline = time.perf_counter() + LEAST_SECONDS
            while not passes or time.perf_counter() < deadline:
                cache.truncate(context)
                bench.op_seconds[:] = 0
                bench.model.forward(bench.tokens(tokens, seed=len(passes) + 1), cache)
                passes.append(bench.op_seconds.copy())
    return passes


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
