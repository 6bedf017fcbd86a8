"""Two engines side by side: what `versus_llamacpp.py` and `versus_transformers.py` share.

Each engine lives in a process of its own and they take turns (A B A B ...), the idle ones sleep. A round starts once
others have left the cores alone for 0.6 s; the CPU share that other processes took is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fathom.bench.quiet import Others, wait_for_quiet

THREADS = len(os.sched_getaffinity(0))
KINDS = ("prefill", "decode")
Figures = dict[str, float]


class Loaded(NamedTuple):
    about: str  # version, instruction level: one line
    vocab: int
    reset: Callable[[], None]  # forgets all tokens
    step: Callable[[list[int]], object]  # computes tokens behind those before, and the logits of the last one


Loader = Callable[[str, int], Loaded]  # of a path, for so many tokens


class Engine(Protocol):
    pid: int | None  # of the process that computes; None where each round starts its own

    def run(self, prompt: int, decode: int) -> Figures: ...
    def close(self) -> None: ...


def load_fathom(path: str, context: int) -> Loaded:
    from fathom import LLM, _native

    llm = LLM(path, max_context=context, threads=THREADS)
    model, cache = llm.model, llm.model.new_cache()
    return Loaded(
        _native.level(),
        llm.config.vocab_size,
        lambda: cache.truncate(0),
        lambda tokens: model.forward(tokens, cache),
    )


def arguments(doc: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--decode-tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--one-at-a-time", action="store_true", help="load anew for each round: two don't fit in memory"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--context", type=int, help=argparse.SUPPRESS)
    return parser


def serve(load: Loader, path: str, context: int) -> None:
    """A worker: loads, then answers each line ``prompt decode`` with its timings."""
    loaded = load(path, context)
    print("ready", loaded.about, flush=True)
    for line in sys.stdin:
        prompt, decode = map(int, line.split())
        tokens = [(i * 7919 + 13) % (loaded.vocab - 100) for i in range(prompt + decode)]
        loaded.reset()
        started = time.perf_counter()
        loaded.step(tokens[:prompt])
        middle = time.perf_counter()
        for token in tokens[prompt:]:
            loaded.step([token])
        ended = time.perf_counter()
        peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")).split()[1]
        rates = {"prefill": prompt / (middle - started), "decode": decode / (ended - middle)}
        print(json.dumps({**rates, "peak_gib": int(peak) / 2**20}), flush=True)


class Worker:
    """The script that runs, started again as one engine."""

    def __init__(self, name: str, path: str, args: argparse.Namespace) -> None:
        context = args.prompt_tokens + args.decode_tokens + 64
        command = [sys.executable, sys.argv[0], path, "--worker", name, "--context", str(context)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout
        self.pid: int | None = process.pid
        while not (line := self.stdout.readline()).startswith("ready"):
            if not line:
                sys.exit(f"{name} could not load {path}")
        print(f"{name}: {line[6:].strip()}", file=sys.stderr, flush=True)

    def run(self, prompt: int, decode: int) -> Figures:
        print(prompt, decode, file=self.stdin, flush=True)
        return dict(json.loads(self.stdout.readline()))

    def close(self) -> None:
        self.stdin.close()
        self.process.wait()


def measured(engine: Engine, args: argparse.Namespace) -> Figures:
    """One round, and the share of all cores that others took during it."""
    wait_for_quiet()
    if engine.pid is None:
        return engine.run(args.prompt_tokens, args.decode_tokens)
    with Others(engine.pid) as others:
        figures = engine.run(args.prompt_tokens, args.decode_tokens)
    return {**figures, "other_cpu_percent": others.percent or 0.0}


def compare(args: argparse.Namespace, starts: dict[str, Callable[[], Engine]], about: dict[str, Any]) -> None:
    """Rounds in turn; the last line printed is one JSON object with fathom's rates over those of each other engine."""
    engines: dict[str, Engine] = {} if args.one_at_a_time else {name: start() for name, start in starts.items()}
    rounds: dict[str, list[Figures]] = {name: [] for name in starts}
    for number in range(args.rounds):
        for name, start in starts.items():
            engine = engines.get(name) or start()
            if engine.pid is not None and (number == 0 or args.one_at_a_time):
                engine.run(8, 4)  # warm-up
            rounds[name].append(measured(engine, args))
            print(name, json.dumps(rounds[name][-1]), file=sys.stderr, flush=True)
            if args.one_at_a_time:
                engine.close()
    for engine in engines.values():
        engine.close()
    result = {**about, "prompt_tokens": args.prompt_tokens, "decode_tokens": args.decode_tokens, "threads": THREADS}
    for name in list(starts)[1:]:
        suffix = "" if len(starts) == 2 else f" to {name}"
        for kind in KINDS:
            ratios = [ours[kind] / theirs[kind] for ours, theirs in zip(rounds["fathom"], rounds[name], strict=True)]
            result[f"{kind}_ratio{suffix}"] = round(statistics.median(ratios), 3)
    for kind in KINDS:
        result[f"{kind}_tok_s"] = {n: round(statistics.median(r[kind] for r in rows), 2) for n, rows in rounds.items()}
    rows = [r for each in rounds.values() for r in each]
    result["peak_gib"] = {
        n: round(max(r["peak_gib"] for r in each), 2) for n, each in rounds.items() if "peak_gib" in each[0]
    }
    result["other_cpu_percent"] = max(r.get("other_cpu_percent", 0.0) for r in rows)
    print(json.dumps(result))
