"""Many clients for a long time, then too many: no error, a fair share for each, and how the memory grows.

    python bench/soak.py [--model M | --dummy NAME] [--format F] [--seconds 300] [--clients 32]

The first part streams to all clients at once and looks at the server's memory every 30 seconds. The second sends a
burst of 100 requests to a server with --max-queue 4: each must be answered, or refused with 429 and retry-after. Prints
one JSON line; exit code 1 where there was an error, an unfair share or another answer (memory is for the reader).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import httpx

from fathom.bench.serve import Load, Server, measure

EVERY_S = 30.0  # between two looks at the memory
BURST = 100  # requests
FAIR = 0.5  # least over most tokens a client got


def soak(arguments: list[str], load: Load) -> dict[str, Any]:
    with Server([*arguments, "--max-queue", str(load.concurrency)]) as server:
        rss: list[float | None] = []
        began = time.monotonic()

        def look(done: int, total: int) -> None:
            if time.monotonic() - began >= EVERY_S * len(rss):
                rss.append(server.rss_mib)
                print(f"{done} / {total} s, {rss[-1]} MiB", file=sys.stderr, flush=True)

        result = measure(server.url, load, report=look)
        return {**result, "rss_mib": [*rss, server.rss_mib]}


def overload(arguments: list[str], load: Load) -> dict[str, int]:
    with Server([*arguments, "--max-queue", "4"]) as server:
        return asyncio.run(burst(server.url, load))


async def burst(url: str, load: Load) -> dict[str, int]:
    """How the requests were answered: a status each, refusals without retry-after on their own."""
    timeout, limits = httpx.Timeout(None), httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, trust_env=False) as http:
        vocabulary = (await http.get("/v1/models")).json()["data"][0]["meta"]["n_vocab"]
        bodies = [
            {"prompt": load.prompt(number, vocabulary), "max_tokens": load.decode_tokens, "ignore_eos": True}
            for number in range(BURST)
        ]
        replies = await asyncio.gather(*(http.post("/v1/completions", json=body) for body in bodies))
    refused = [reply for reply in replies if reply.status_code == 429]
    counts = Counter(f"status_{reply.status_code}" for reply in replies)
    return {**counts, "without_retry_after": sum("retry-after" not in reply.headers for reply in refused)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--dummy", metavar="NAME", help="random weights of a published shape")
    parser.add_argument("--format", default="auto")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--decode-tokens", type=int, default=64)
    args = parser.parse_args()
    lengths = {"prompt_tokens": args.prompt_tokens, "decode_tokens": args.decode_tokens}
    load = Load(requests=None, seconds=args.seconds, concurrency=args.clients, **lengths)
    which = ["--dummy", args.dummy] if args.dummy else ["--model", args.model]
    arguments = [*which, "--dtype", args.format]
    result = soak(arguments, load) | {"overload": overload(arguments, load)}
    answered, refused = (result["overload"].get(f"status_{status}", 0) for status in (200, 429))
    result["ok"] = (
        result["failed"] == 0
        and (result["fairness"] or 0.0) >= FAIR
        and min(answered, refused) > 0
        and answered + refused == BURST
        and result["overload"]["without_retry_after"] == 0
    )
    print(json.dumps({**result, "bench": "soak"}), flush=True)
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
