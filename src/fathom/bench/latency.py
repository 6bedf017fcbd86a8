"""One request at a time: time to the first token, time per token behind it, and how near to the memory's roof.

The request goes the way every request goes, through :class:`Generation`; metrics have vLLM's names.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

from fathom.engine.generate import Generation, Session
from fathom.engine.sampling import SamplingParams

from .bench import Bench
from .quiet import Others

__all__ = ["measure"]


@dataclass(frozen=True, slots=True)
class Round:
    first: float  # seconds to the first token
    steps: tuple[float, ...]  # seconds of each token behind it
    outside: tuple[float, ...]  # of those, seconds that no op of the native engine ran
    read: float  # bytes a second, measured before, between and behind
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
    session = Session(bench.engine)
    bench.warm_up()
    done = []
    for number in range(rounds):
        bench.wait()
        done.append(_round(bench, session, bench.tokens(prompt_tokens, seed=number), decode_tokens))
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


def _round(bench: Bench, session: Session, prompt: list[int], decode_tokens: int) -> Round:
    session.truncate(0)
    params = SamplingParams(temperature=0.0, max_tokens=decode_tokens + 1, ignore_eos=True)
    vocab_size, context = bench.llm.config.vocab_size, bench.llm.context_length
    tokens = Generation(prompt, params, vocab_size=vocab_size, context=context).run(session)
    steps, outside, others = [], [], Others()
    rates = [bench.read()]
    with bench.others, others:
        start = time.perf_counter()
        next(tokens)
        first = time.perf_counter() - start
    rates.append(bench.read())
    bench.multiply()
    with bench.others, others:
        for _ in range(decode_tokens):
            bench.op_seconds[:] = 0
            start = time.perf_counter()
            next(tokens)
            steps.append(time.perf_counter() - start)
            outside.append(steps[-1] - float(bench.op_seconds.sum()))
    rates.append(bench.read())
    return Round(first, tuple(steps), tuple(outside), statistics.median(rates), others.percent)
