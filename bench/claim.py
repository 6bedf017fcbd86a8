"""What the scripts of one claim about the engine share: their options, the model they load, their last line.

Each measures in rounds that take turns and reports medians; a round waits until other processes leave the cores alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from typing import Any

from fathom import LLM
from fathom.cli.messages import say


def arguments(doc: str, rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--dummy", metavar="NAME", help="random weights of a published shape")
    parser.add_argument("--format", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def loaded(args: argparse.Namespace, context: int) -> LLM:
    """The model, with room for sequences of ``context`` tokens."""
    return LLM(args.model, dummy=args.dummy, dtype=args.format, threads=args.threads, max_context=context)


def median_ratio(over: Iterable[float], under: Iterable[float]) -> float:
    """Of the rounds' ratios."""
    return round(statistics.median(a / b for a, b in zip(over, under, strict=True)), 4)


def finish(result: dict[str, Any], lines: Iterable[str]) -> None:
    """Lines for people, then one of JSON."""
    about = ("model", "format", "cpu", "level", "threads")
    print(", ".join(f"{name} {result[name]}" for name in about))
    for line in lines:
        print(line)
    print(f"other processes took {result['other_cpu_percent']} % of the cores, memory reads {result['read_gb_s']} GB/s")
    if not result["quiet"]:
        print(say("bench.not_quiet"), file=sys.stderr)
    print(json.dumps(result), flush=True)
