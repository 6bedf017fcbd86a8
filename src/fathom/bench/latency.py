"""One request at a time: time to the first token, time per token behind it, and how near to the memory's roof.

Metrics have vLLM's names.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from .bench import Bench
from .requests import run

__all__ = ["measure"]


@dataclass(frozen=True, slots=True)
class Round:
    first: float  # seconds to the first token
    steps: tuple[float, ...]  # seconds of each token behind it
    outside: tuple[float, ...]  # of those, seconds that no op of the native engine ran
    read: float  # bytes a second, measured before and behind
    others: float | None  # percent of all cores

    def to_json(self) -> dict[str, float | None]:
        return {
            "ttft_ms": round(1e3 * self.first, 2),
            "tpot_ms": round(1e3 * statistics.fmean(self.steps), 3),
            "read_gb_s": round(self.read / 1e9, 2),
            "other_cpu_percent": self.others,
        }


def measure(bench: Bench, prompt_tokens: int, decode_tokens: int, rounds: int) -> dict[str, Any]:
    """Medians over the rounds."""
    bench.warm_up()
    done = []
    for number in range(rounds):
        bench.wait()
        done.append(_round(bench, bench.tokens(prompt_tokens, seed=number), decode_tokens))
    first = statistics.median(r.first for r in done)
    step = statistics.median(statistics.fmean(r.steps) for r in done)
    context = prompt_tokens + (decode_tokens + 1) // 2  # of a decode step, on average
    bytes_per_step = sum(bench.bytes_read(context))
    roof = bench.bandwidth / bytes_per_step
    return {
        **bench.facts("latency"),
        "prompt_tokens": prompt_tokens,
        "decode_tokens": decode_tokens,
        "rounds": rounds,
        "context": context,
        "prefill_tok_s": round(prompt_tokens / first, 2),
        "decode_tok_s": round(1 / step, 2),
        "ttft_ms": round(1e3 * first, 2),
        "tpot_ms": round(1e3 * step, 3),
        "bytes_per_step": bytes_per_step,
        "decode_roof_tok_s": round(roof, 2),
        "decode_roof_fraction": round(1 / step / roof, 3),
        "amx_fraction": bench.amx_fraction(prompt_tokens, first),
        "python_us_per_step": round(1e6 * statistics.median(t for r in done for t in r.outside), 1),
        **bench.conditions(),
        "runs": [r.to_json() for r in done],
    }


def _round(bench: Bench, prompt: list[int], decode_tokens: int) -> Round:
    rates = [bench.read()]
    bench.multiply()
    done = run(bench, [prompt], decode_tokens + 1)
    rates.append(bench.read())
    took, outside = zip(*done.steps(), strict=True)
    return Round(done.first, took, outside, statistics.fmean(rates), done.others)
