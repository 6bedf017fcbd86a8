"""A prompt that begins like an earlier one: its time to the first token over that of the first.

    python bench/prefix.py [--model M | --dummy NAME] [--format F] [--prefix-tokens 2048] [--tail-tokens 16]
                           [--rounds 3] [--threads N]

Every round has a prefix that the engine never saw, once before each of two tails. The last line is one JSON object.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from claim import arguments, finish, loaded, median_ratio
from fathom.bench.bench import Bench
from fathom.bench.requests import run


def measure(bench: Bench, prefix_tokens: int, tail_tokens: int, rounds: int) -> dict[str, Any]:
    """Medians over the rounds."""
    bench.warm_up(prefix_tokens)
    cold: list[float] = []
    shared: list[float] = []
    cached = []
    for number in range(rounds):
        prefix = bench.tokens(prefix_tokens, seed=3 * number)
        for tail, taken in ((1, cold), (2, shared)):
            bench.wait()
            bench.read()
            done = run(bench, [prefix + bench.tokens(tail_tokens, seed=3 * number + tail)], 1)
            taken.append(done.first)
        cached.append(done.generations[0].cached_tokens)
    return {
        **bench.facts("prefix"),
        "prefix_tokens": prefix_tokens,
        "tail_tokens": tail_tokens,
        "rounds": rounds,
        "cached_tokens": min(cached),
        "ttft_ratio": median_ratio(shared, cold),
        "cold_ttft_ms": round(1e3 * statistics.median(cold), 2),
        "shared_ttft_ms": round(1e3 * statistics.median(shared), 2),
        **bench.conditions(),
    }


def lines(result: dict[str, Any]) -> list[str]:
    return [
        f"first request: {result['cold_ttft_ms']} ms to the first token",
        f"second: {result['shared_ttft_ms']} ms, {result['ttft_ratio']:.1%} of the first; "
        f"{result['cached_tokens']} of {result['prefix_tokens']} shared tokens were kept",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--prefix-tokens", type=int, default=2048)
    parser.add_argument("--tail-tokens", type=int, default=16)
    args = parser.parse_args(argv)
    llm = loaded(args, args.prefix_tokens + args.tail_tokens + 1)
    result = measure(Bench(llm), args.prefix_tokens, args.tail_tokens, args.rounds)
    finish(result, lines(result))


if __name__ == "__main__":
    main()
