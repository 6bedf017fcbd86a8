"""Requests on their way through the engine, the way every request goes: when each of their tokens came."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from fathom.engine.generation import Generation, Item, Token
from fathom.engine.sampling import SamplingParams

from .bench import Bench
from .quiet import Others

__all__ = ["Mark", "Run", "run"]


class Mark(NamedTuple):
    """A token that came."""

    request: int  # of those submitted together
    at: float  # seconds
    ops: float  # seconds that ops of the native engine ran until then


@dataclass(frozen=True, slots=True)
class Run:
    start: float  # when the requests were submitted
    marks: tuple[Mark, ...]  # in order
    generations: tuple[Generation, ...]
    others: float | None  # percent of all cores

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return self.marks[0].at - self.start

    def steps(self) -> list[tuple[float, float]]:
        """Of each step in which all requests decode: its seconds, and of those the ones that no op ran.

        A pass gives a token to each request in order of arrival; a step begins where one would get a second token.
        """
        groups: list[list[Mark]] = []
        for mark in self.marks:
            if not groups or mark.request <= groups[-1][-1].request:
                groups.append([])
            groups[-1].append(mark)
        all_ = len(self.generations)
        pairs = [(a[-1], b[-1]) for a, b in pairwise(groups) if len(a) == len(b) == all_]
        return [(b.at - a.at, b.at - a.at - (b.ops - a.ops)) for a, b in pairs]


def run(bench: Bench, prompts: Sequence[list[int]], max_tokens: int, *, temperature: float = 0.0) -> Run:
    """Submits all prompts at once and waits for the ``max_tokens`` of each; request i draws with the seed i."""
    llm, ended, others = bench.llm, threading.Event(), Others(*bench.pids)
    generations = []
    for seed, prompt in enumerate(prompts):
        params = SamplingParams(temperature=temperature, seed=seed, max_tokens=max_tokens, ignore_eos=True)
        generations.append(Generation(prompt, params, vocab_size=llm.config.vocab_size, context=llm.context_length))
    numbers = {id(generation): number for number, generation in enumerate(generations)}
    marks: list[Mark] = []
    last: list[Item] = []  # of each that ended

    def emit(generation: Generation, item: Item) -> None:  # in the engine's thread, between two steps
        marks.append(Mark(numbers[id(generation)], time.perf_counter(), float(bench.op_seconds.sum())))
        if not isinstance(item, Token) or item.finish_reason:
            last.append(item)
            if len(last) == len(generations):
                ended.set()

    with bench.others, others:
        start = time.perf_counter()
        llm.engine.submit(generations, emit)
        ended.wait()
    if problem := next((item for item in last if isinstance(item, Exception)), None):
        raise problem
    return Run(start, tuple(marks), tuple(generations), others.percent)
