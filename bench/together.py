"""Requests that decode at once: how near a step for all of them comes to the memory's roof, and what they gain.

    python bench/together.py [--model M | --dummy NAME] [--format F] [--requests 16] [--prompt-tokens 64]
                             [--decode-tokens 64] [--rounds 3] [--threads N]

Rounds of one request and of all take turns. Only steps in which all decode count. The roof is the bandwidth measured
before and behind over what such a step has to read: all other weights once, of the experts those that so many tokens
touch where all are equally likely, and the latents of every sequence. Tokens are drawn (temperature 1), each request
with its own seed: greedy answers of random weights would all repeat the same few. Which experts they touched is then
computed again, and `touched_roof_fraction` is that of the bytes they stand for. The last line is one JSON object.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from claim import arguments, finish, loaded
from fathom.bench.bench import Bench
from fathom.bench.requests import run
from fathom.engine.generation import Generation


def measure(bench: Bench, requests: int, prompt_tokens: int, decode_tokens: int, rounds: int) -> dict[str, Any]:
    """Medians over the steps of all rounds."""
    bench.warm_up(prompt_tokens)
    steps: dict[int, list[tuple[float, float]]] = {1: [], requests: []}
    for number in range(rounds):
        for count in steps:
            seeds = range((number * 2 + (count > 1)) * requests, (number * 2 + (count > 1)) * requests + count)
            bench.wait()
            bench.read()
            done = run(bench, [bench.tokens(prompt_tokens, seed) for seed in seeds], decode_tokens, temperature=1.0)
            bench.read()
            steps[count] += done.steps()
    if not steps[requests]:
        raise SystemExit("no step had all requests: more --decode-tokens, or fewer --requests")
    alone, step = (statistics.median(took for took, _ in steps[count]) for count in steps)
    context = prompt_tokens + (decode_tokens + 1) // 2  # of a request in a step, on average
    nbytes = bench.bytes_read(context, sequences=requests)
    ops = bench.llm.program.ops
    experts = sum(n for n, op in zip(nbytes, ops, strict=True) if op.kind == "experts")
    expected = expected_experts(bench, requests)
    touched = touched_experts(bench, done.generations)
    really = sum(nbytes) - experts + experts * touched / expected if touched and expected else sum(nbytes)
    return {
        **bench.facts("together"),
        "requests": requests,
        "prompt_tokens": prompt_tokens,
        "decode_tokens": decode_tokens,
        "rounds": rounds,
        "context": context,
        "steps": len(steps[requests]),
        "step_ms": round(1e3 * step, 3),
        "tok_s": round(requests / step, 2),
        "alone_tok_s": round(1 / alone, 2),
        "over_alone": round(requests * alone / step, 3),
        "bytes_per_step": sum(nbytes),
        "experts": bench.llm.config.n_routed_experts,
        "expected_experts": expected,
        "touched_experts": touched,
        "roof_tok_s": round(requests * bench.bandwidth / sum(nbytes), 2),
        "roof_fraction": round(sum(nbytes) / bench.bandwidth / step, 3),
        "touched_roof_fraction": round(really / bench.bandwidth / step, 3),
        "outside_us_per_step": round(1e6 * statistics.median(outside for _, outside in steps[requests]), 1),
        **bench.conditions(),
    }


def expected_experts(bench: Bench, tokens: int) -> float | None:
    """Distinct ones a layer that so many tokens touch where all are equally likely; None for a dense model."""
    shares = [op.share_read(tokens) * len(op.weights) / 3 for op in bench.llm.program.ops if op.kind == "experts"]
    return round(statistics.fmean(shares), 2) if shares else None


def touched_experts(bench: Bench, generations: Sequence[Generation]) -> float | None:
    """Distinct ones a layer that the tokens of a decode step touched: the mean over steps and layers."""
    routers = {op.name: int(op.attrs["top_k"] or 0) for op in bench.llm.program.ops if op.kind == "router"}
    ids: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in routers}

    def capture(name: str, rows: np.ndarray[Any, Any]) -> None:
        if name in routers:
            ids[name].append(rows[generation.prompt_length :, : routers[name]].astype(int))

    for generation in generations:
        tokens = generation.tokens[:-1]  # the last one is nobody's input
        bench.model.forward(tokens, bench.model.new_cache(len(tokens)), logits="all", capture=capture)
    counts = [len(np.unique(step)) for rows in ids.values() for step in np.stack(rows, axis=1)]  # (steps, R, top_k)
    return round(statistics.fmean(counts), 2) if counts else None


def lines(result: dict[str, Any]) -> list[str]:
    experts = f", {result['expected_experts']} of {result['experts']} experts ({result['touched_experts']} in fact)"
    return [
        f"{result['requests']} requests: {result['tok_s']} tokens/s, {result['step_ms']} ms a step",
        f"one alone: {result['alone_tok_s']} tokens/s, together {result['over_alone']} times as many",
        f"{result['roof_fraction']:.1%} of the roof of {result['roof_tok_s']} tokens/s: "
        f"{result['bytes_per_step'] / 1e9:.3f} GB a step{experts if result['experts'] else ''}",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--decode-tokens", type=int, default=64)
    args = parser.parse_args(argv)
    llm = loaded(args, args.prompt_tokens + args.decode_tokens)
    if not 2 <= args.requests <= llm.engine.scheduler.max_running:
        parser.error(f"--requests: 2 to {llm.engine.scheduler.max_running}, which run at once")
    result = measure(Bench(llm), args.requests, args.prompt_tokens, args.decode_tokens, args.rounds)
    finish(result, lines(result))


if __name__ == "__main__":
    main()
