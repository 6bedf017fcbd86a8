"""Which requests compute how many tokens in the next step. It knows nothing of the model.

One rule: a request has tokens (the prompt, then what was sampled) and a number of them computed, and catches up within
the step's budget. Running requests come first, each with at least a token kept for it, then waiting ones in order of
arrival. A piece that does not reach the end of the tokens ends on a page boundary, and only pages computed whole in one
piece are named: a prompt's results are the same bits cold, in pieces or behind a known prefix.

``running`` and then ``waiting`` is always the order of arrival. The oldest request can take the pages of all others
and fits the pool alone, so it always proceeds: every request ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import FathomError
from .pages import PAGE, PagePool, chain

__all__ = ["Request", "Scheduler"]

Ended = Literal["stop", "length", "cancelled", "deadline"]


def _no_pages() -> npt.NDArray[np.int32]:
    return np.empty(0, np.int32)


@dataclass(eq=False)
class Request:
    id: str
    tokens: list[int]  # the prompt, then what was sampled
    max_tokens: int
    deadline: float = float("inf")  # on the clock of Scheduler.plan's `now`
    salt: bytes = b""  # only requests with the same salt share pages
    prompt_length: int = field(init=False)
    num_computed: int = field(default=0, init=False)
    table: npt.NDArray[np.int32] = field(default_factory=_no_pages, init=False)
    prefix: bytes = field(default=b"", init=False)  # the name of the last page that has one
    ended: Ended | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)


Plan = list[tuple[Request, int]]


class Scheduler:
    """``plan`` a step, compute it, tell what was sampled with ``done``; all calls from one thread."""

    def __init__(self, pool: PagePool, *, budget: int = 2048, max_running: int = 32, max_waiting: int = 256) -> None:
        if budget < max_running + PAGE:
            raise ValueError(f"a budget of {budget} tokens leaves no page beside {max_running} running requests")
        self.pool, self.budget, self.max_running, self.max_waiting = pool, budget, max_running, max_waiting
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()

    def add(self, request: Request) -> None:
        """Queues a request; one that could never fit, or finds the queue full, is refused at once."""
        prompt, wanted, context = request.prompt_length, request.max_tokens, self.pool.count * PAGE
        if prompt < 1 or wanted < 1:
            raise ValueError("a request has at least one prompt token and one to generate")
        if prompt + wanted > context:
            raise FathomError("context_length_exceeded", param="prompt", prompt=prompt, wanted=wanted, context=context)
        if len(self.waiting) >= self.max_waiting:
            raise FathomError("queue_full", waiting=len(self.waiting))
        self.waiting.append(request)

    def end(self, request: Request, why: Ended) -> None:
        """Ends a request at any moment, also between ``plan`` and ``done``: only ``plan`` gives its pages to others."""
        if request.ended is None:
            request.ended = why
            self._release(request)
            (self.running if request in self.running else self.waiting).remove(request)

    def plan(self, now: float = 0.0) -> Plan:
        """The next step: requests, each with the number of tokens to compute from ``num_computed`` on."""
        for request in [*self.running, *self.waiting]:
            if request.deadline <= now:
                self.end(request, "deadline")
        plan: Plan = []
        left, preempted, at = self.budget, False, 0
        while at < len(self.running):
            request = self.running[at]
            n = self._piece(request, left - (len(self.running) - at - 1))
            while at < len(self.running) and not self._grow(request, n):
                victim = self.running.pop()  # the last to arrive, perhaps the request itself; none is planned yet
                self._release(victim)
                self.waiting.appendleft(victim)
                preempted = True
            if at < len(self.running) and n:
                plan.append((request, n))
                left -= n
            at += 1
        while self.waiting and not preempted and len(self.running) < self.max_running:
            request = self.waiting[0]
            pages, request.prefix = self.pool.match(request.tokens, request.salt)
            request.table, request.num_computed = np.array(pages, np.int32), len(pages) * PAGE
            n = self._piece(request, left)
            if n == 0 or -(-len(request.tokens) // PAGE) - len(pages) > self.pool.free or not self._grow(request, n):
                self._release(request)
                break
            self.running.append(self.waiting.popleft())
            plan.append((request, n))
            left -= n
        return plan

    def done(self, plan: Plan, sampled: Sequence[int | None]) -> None:
        """The plan was computed: a token for each request that has caught up, None (or anything) for the others."""
        for (request, n), token in zip(plan, sampled, strict=True):
            if request.ended is not None:
                continue
            start, request.num_computed = request.num_computed, request.num_computed + n
            if start % PAGE == 0:
                for page in range(start // PAGE, request.num_computed // PAGE):
                    request.prefix = chain(request.prefix, request.tokens[page * PAGE : (page + 1) * PAGE])
                    self.pool.name(int(request.table[page]), request.prefix)
            if request.num_computed == len(request.tokens):
                if token is None:
                    raise ValueError(f"request {request.id} has caught up: a sampled token is missing")
                request.tokens.append(token)
                if len(request.tokens) - request.prompt_length >= request.max_tokens:
                    self.end(request, "length")

    @staticmethod
    def _piece(request: Request, left: int) -> int:
        pending = len(request.tokens) - request.num_computed
        return (
            pending if pending <= left else max(0, (request.num_computed + left) // PAGE * PAGE - request.num_computed)
        )

    def _grow(self, request: Request, n: int) -> bool:
        pages = self.pool.allocate(max(0, -(-(request.num_computed + n) // PAGE) - len(request.table)))
        if pages is None:
            return False
        request.table = np.concatenate([request.table, np.array(pages, np.int32)])
        return True

    def _release(self, request: Request) -> None:
        self.pool.release(request.table.tolist())
        request.table, request.num_computed = _no_pages(), 0
