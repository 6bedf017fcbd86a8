"""fathom beside llama.cpp on the same GGUF file: prefill and decode speed, interleaved, as ratios.

    python bench/versus_llamacpp.py FILE.gguf [--prompt-tokens 512] [--decode-tokens 32] [--rounds 5] [--one-at-a-time]

Both engines live in processes of their own and take turns (A B A B ...), the idle one sleeps. A round starts once
others have left the cores alone for 0.6 s; the CPU share that other processes took is reported. `--one-at-a-time` loads
the file anew for each round, for models of which two copies don't fit into memory. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fathom.bench.quiet import Others, wait_for_quiet

THREADS = len(os.sched_getaffinity(0))


def worker(engine: str, path: str, context: int) -> None:
    """Loads the file, then answers each line ``prompt decode`` with its timings."""
    step: Any
    if engine == "fathom":
        from fathom import LLM

        llm = LLM(path, max_context=context, threads=THREADS)
        model, vocab = llm.engine, llm.config.vocab_size
        cache = model.new_cache()

        def reset() -> None:
            cache.truncate(0)

        def step(tokens: list[int]) -> None:
            model.forward(tokens, cache)
    else:
        import llama_cpp

        peer = llama_cpp.Llama(
            path, n_ctx=context, n_batch=512, n_threads=THREADS, n_threads_batch=THREADS, verbose=False
        )
        vocab, reset, step = peer.n_vocab(), peer.reset, peer.eval
    print("ready", flush=True)
    for line in sys.stdin:
        prompt, decode = map(int, line.split())
        tokens = [(i * 7919 + 13) % (vocab - 100) for i in range(prompt + decode)]
        reset()
        started = time.perf_counter()
        step(tokens[:prompt])
        middle = time.perf_counter()
        for token in tokens[prompt:]:
            step([token])
        ended = time.perf_counter()
        peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")).split()[1]
        figures = {
            "prefill": prompt / (middle - started),
            "decode": decode / (ended - middle),
            "peak_gib": int(peak) / 2**20,
        }
        print(json.dumps(figures), flush=True)


class Engine:
    def __init__(self, name: str, args: argparse.Namespace) -> None:
        context = args.prompt_tokens + args.decode_tokens + 64
        command = [sys.executable, __file__, str(args.file), "--worker", name, "--context", str(context)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()) != "ready\n":
            if not line:
                sys.exit(f"{name} could not load {args.file}")

    def run(self, prompt: int, decode: int) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(prompt, decode, file=self.process.stdin, flush=True)
        return dict(json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measured(engine: Engine, args: argparse.Namespace) -> dict[str, float]:
    """One round and the share of all cores that others took during it."""
    wait_for_quiet()
    with Others(engine.process.pid) as others:
        figures = engine.run(args.prompt_tokens, args.decode_tokens)
    return {**figures, "other_cpu_percent": others.percent or 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--decode-tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one-at-a-time", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--context", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker, str(args.file), args.context)
    names = ("fathom", "llama.cpp")
    engines = {} if args.one_at_a_time else {name: Engine(name, args) for name in names}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(args.rounds):
        for name in names:
            engine = engines.get(name) or Engine(name, args)
            if number == 0 or args.one_at_a_time:
                engine.run(8, 4)  # warm-up
            rounds[name].append(measured(engine, args))
            print(name, json.dumps(rounds[name][-1]), file=sys.stderr, flush=True)
            if args.one_at_a_time:
                engine.close()
    ratios = {
        kind: [a[kind] / b[kind] for a, b in zip(rounds["fathom"], rounds["llama.cpp"], strict=True)]
        for kind in ("prefill", "decode")
    }
    result = {
        "file": args.file.name,
        "prompt_tokens": args.prompt_tokens,
        "decode_tokens": args.decode_tokens,
        "threads": THREADS,
        **{f"{kind}_ratio": round(statistics.median(values), 3) for kind, values in ratios.items()},
        **{
            f"{kind}_tok_s": {name: round(statistics.median(r[kind] for r in rounds[name]), 2) for name in names}
            for kind in ("prefill", "decode")
        },
        "peak_gib": {name: round(max(r["peak_gib"] for r in rounds[name]), 2) for name in names},
        "other_cpu_percent": max(r["other_cpu_percent"] for rows in rounds.values() for r in rows),
    }
    print(json.dumps(result))
    for engine in engines.values():
        engine.close()


if __name__ == "__main__":
    main()
