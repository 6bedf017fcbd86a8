"""Which requests compute how many tokens in the next step. It knows nothing of the model.

One rule: a request has tokens (the prompt, then what was sampled) and a number of them computed, and catches up within
the step's budget. Running requests come first, each with at least a token kept for it, then waiting ones in order of
arrival. Beside others a request gets at most half of the budget, so a long prompt keeps nobody out. A piece that does
not reach the end of the tokens ends on a page boundary: the model's results hang on neither pieces nor company.

``running`` and then ``waiting`` is always the order of arrival. The oldest request can take the pages of all others
and fits the pool alone, so it always proceeds: every request ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from ..errors import FathomError
from .pages import PAGE, ROOT, PagePool, chain

__all__ = ["Request", "Scheduler"]

_NO_PAGES = np.empty(0, np.int32)


class Request:
    """What the scheduler knows of one sequence. ``scored``: the logits of all prompt tokens are wanted."""

    def __init__(self, prompt: Sequence[int], max_tokens: int, *, scored: bool = False, root: bytes = ROOT) -> None:
        self.tokens = list(prompt)  # and what was sampled
        self.prompt_length = len(self.tokens)
        self.max_tokens = max_tokens
        self.scored = scored
        self.num_computed = 0
        self.table = _NO_PAGES  # page numbers (n,), int32
        self.prefix = self.root = root  # the name of the last page that has one; what the first is chained on
        self.live = False  # running or waiting

    @property
    def pending(self) -> int:
        return len(self.tokens) - self.num_computed

    @property
    def scoring(self) -> bool:
        return self.scored and self.num_computed < self.prompt_length


Plan = list[tuple[Request, int]]


class Scheduler:
    """``plan`` a step, compute it, tell what was sampled with ``done``; ``end`` is possible at any moment."""

    def __init__(self, pool: PagePool, *, max_running: int = 32) -> None:
        self.pool, self.max_running = pool, max_running
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()
        self.preemptions = 0  # so far
        self._named: list[int] = []  # pages that got their names in the last plan

    def __len__(self) -> int:
        return len(self.running) + len(self.waiting)

    @property
    def least_budget(self) -> int:
        """A page for the oldest beside half of the budget for others and a token for each that runs."""
        return self.max_running + 2 * PAGE

    def add(self, request: Request) -> None:
        """Queues a request; one that could never fit is refused at once."""
        prompt, wanted, context = request.prompt_length, request.max_tokens, self.pool.count * PAGE
        if prompt + wanted > context:
            raise FathomError("context_length_exceeded", param="prompt", prompt=prompt, wanted=wanted, context=context)
        request.live = True
        self.waiting.append(request)

    def end(self, request: Request) -> None:
        """Takes a request out, also between ``plan`` and ``done``: only ``plan`` gives its pages to others."""
        if request.live:
            request.live = False
            self._release(request)
            (self.running if request in self.running else self.waiting).remove(request)

    def plan(self, budget: int) -> Plan:
        """The next step: requests, each with the number of tokens to compute from ``num_computed`` on.

        ``budget``: tokens of the step, ``least_budget`` or more. Pages that become full get their names here: a pass
        writes all latents before it reads any, so requests of one step share them already.
        """
        most = budget if len(self) == 1 else budget // 2  # of one request
        plan: Plan = []
        left, preempted, at = budget, False, 0
        self._named = []
        while at < len(self.running):
            request = self.running[at]
            n = _piece(request, min(left - (len(self.running) - at - 1), most))
            while at < len(self.running) and not self._grow(request, n):
                victim = self.running.pop()  # the last to arrive, perhaps the request itself; none is planned yet
                self._release(victim)
                self.waiting.appendleft(victim)
                self.preemptions += 1
                preempted = True
            if at < len(self.running) and n:
                plan.append((request, n))
                left -= n
            at += 1
        while self.waiting and not preempted and len(self.running) < self.max_running:
            request = self.waiting[0]
            if not request.scored:
                pages, request.prefix = self.pool.match(request.tokens, request.root)
                request.table, request.num_computed = np.array(pages, np.int32), len(pages) * PAGE
            n = _piece(request, min(left, most))
            whole = -(-len(request.tokens) // PAGE) - len(request.table)  # pages still to be taken
            if n == 0 or whole > self.pool.free or not self._grow(request, n):
                self._release(request)
                break
            self.running.append(self.waiting.popleft())
            plan.append((request, n))
            left -= n
        return plan

    def done(self, plan: Sequence[tuple[Request, int]], sampled: Sequence[int | None]) -> None:
        """The plan was computed: the token that follows each request which has caught up, None for the others."""
        for (request, n), token in zip(plan, sampled, strict=True):
            if request.live:
                request.num_computed += n
                if token is not None:
                    request.tokens.append(token)

    def failed(self) -> None:
        """The plan was not computed: nobody shall find its pages."""
        for page in self._named:
            self.pool.unname(page)

    def _grow(self, request: Request, n: int) -> bool:
        """Pages for ``n`` tokens more, and names for those that become full."""
        end = request.num_computed + n
        if (missing := -(-end // PAGE) - len(request.table)) > 0:
            pages = self.pool.allocate(missing)
            if pages is None:
                return False
            request.table = np.concatenate([request.table, np.array(pages, np.int32)])
        for page in range(request.num_computed // PAGE, end // PAGE):
            request.prefix = chain(request.prefix, request.tokens[page * PAGE : (page + 1) * PAGE])
            self.pool.name(int(request.table[page]), request.prefix)
            self._named.append(int(request.table[page]))
        return True

    def _release(self, request: Request) -> None:
        self.pool.release(request.table.tolist())
        request.table, request.num_computed, request.prefix = _NO_PAGES, 0, request.root


def _piece(request: Request, left: int) -> int:
    """Tokens of the next step: all that are pending, or up to a page boundary; a page where all are scored."""
    left = min(left, PAGE) if request.scoring else left
    if request.pending <= left:
        return request.pending
    return max(0, (request.num_computed + left) // PAGE * PAGE - request.num_computed)
