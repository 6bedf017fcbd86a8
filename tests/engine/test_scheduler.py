"""The scheduler: pieces, budgets, preemption, refusals; and a state machine over what the pages hold."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fathom.engine.pages import PAGE, PagePool
from fathom.engine.scheduler import Request, Scheduler
from fathom.errors import FathomError


def test_a_long_prompt_is_cut_on_page_boundaries_beside_a_decode() -> None:
    scheduler = Scheduler(PagePool(12), budget=140, max_running=4)
    short, long = Request("a", [1] * 5, 9), Request("b", [2] * 300, 1)
    scheduler.add(short)
    scheduler.done(scheduler.plan(), [3])
    scheduler.add(long)
    pieces = []
    while long.ended is None:
        plan = scheduler.plan()
        assert plan[0] == (short, 1)
        pieces.append(plan[1][1])
        scheduler.done(plan, [3] * 2)
    assert pieces == [128, 128, 44]
    assert long.ended == "length"


def test_a_prompt_leaves_a_token_to_each_decode_behind_it() -> None:
    scheduler = Scheduler(PagePool(12), budget=128, max_running=4)
    first, long, last = Request("a", [1] * 5, 2), Request("b", [2] * 300, 1), Request("c", [3] * 5, 9)
    for request in (first, long, last):
        scheduler.add(request)
    for _ in range(2):
        scheduler.done(scheduler.plan(), [4, 4, 4])
    assert first.ended == "length"
    assert scheduler.plan() == [(long, 64), (last, 1)]  # 128 would be the whole budget


def test_the_last_to_arrive_is_preempted_and_finds_its_prompt_again() -> None:
    scheduler = Scheduler(PagePool(4), budget=256, max_running=2)
    first, last = Request("a", [1] * 127, 100), Request("b", [2] * 100, 100)
    scheduler.add(first)
    scheduler.add(last)
    scheduler.done(scheduler.plan(), [5, 5])
    while last in scheduler.running:
        plan = scheduler.plan()
        scheduler.done(plan, [5] * len(plan))
    assert first in scheduler.running
    assert not last.table.size
    scheduler.end(first, "cancelled")
    assert scheduler.plan() == [(last, len(last.tokens) - PAGE)]


def test_what_never_fits_and_what_finds_the_queue_full_is_refused() -> None:
    scheduler = Scheduler(PagePool(2), budget=128, max_running=1, max_waiting=1)
    with pytest.raises(FathomError) as caught:
        scheduler.add(Request("a", [1] * 128, 1))
    assert caught.value.code == "context_length_exceeded"
    scheduler.add(Request("b", [1], 1))
    with pytest.raises(FathomError) as caught:
        scheduler.add(Request("c", [1], 1))
    assert caught.value.code == "queue_full"


class Requests(RuleBasedStateMachine):
    """Slots hold the token that was computed into them, so a wrong hit or a page with two writers shows."""

    @initialize(pages=st.integers(3, 12), running=st.integers(1, 4), spare=st.integers(0, 200))
    def start(self, pages: int, running: int, spare: int) -> None:
        self.pool = PagePool(pages)
        self.budget = running + PAGE + spare
        self.scheduler = Scheduler(self.pool, budget=self.budget, max_running=running, max_waiting=8)
        self.slots = [[-1] * PAGE for _ in range(pages)]
        self.requests: list[Request] = []
        self.now = 0.0

    @rule(shared=st.integers(0, 4), own=st.integers(1, 130), wanted=st.integers(1, 90), patience=st.integers(1, 60))
    def arrive(self, shared: int, own: int, wanted: int, patience: int) -> None:
        tokens = [1] * (shared * 50) + [2 + len(self.requests) % 2] * own
        request = Request(str(len(self.requests)), tokens, wanted, self.now + patience if patience < 30 else 1e9)
        fits = len(tokens) + wanted <= self.pool.count * PAGE
        if fits and len(self.scheduler.waiting) < 8:
            self.scheduler.add(request)
            self.requests.append(request)
        else:
            with pytest.raises(FathomError) as caught:
                self.scheduler.add(request)
            assert caught.value.code == ("queue_full" if fits else "context_length_exceeded")

    @rule(data=st.data(), cancel=st.booleans(), times=st.integers(1, 8))
    def steps(self, data: st.DataObject, cancel: bool, times: int) -> None:
        for _ in range(times):
            plan = self.step_plan()
            if cancel and self.requests:
                self.scheduler.end(data.draw(st.sampled_from(self.requests)), "cancelled")
                cancel = False
            self.scheduler.done(plan, [7] * len(plan))

    def step_plan(self) -> list[tuple[Request, int]]:
        self.now += 1
        plan = self.scheduler.plan(self.now)
        assert sum(n for _, n in plan) <= self.budget
        oldest = next((r for r in self.requests if r.ended is None), None)
        assert oldest is None or plan[0][0] is oldest  # the oldest proceeds in every step: nobody starves
        planned = [request for request, _ in plan]
        late = [r for r in self.scheduler.running if r not in planned]
        assert all(len(r.tokens) - r.num_computed > 1 for r in late)  # a long prompt delays no decode
        written: list[int] = []
        for request, n in plan:
            assert n > 0
            start, end = request.num_computed, request.num_computed + n
            assert end == len(request.tokens) or end % PAGE == 0
            pages = {int(request.table[i // PAGE]) for i in range(start, end)}
            assert all(self.pool.references[page] == 1 for page in pages)
            written += pages
            for i in range(start, end):
                self.slots[request.table[i // PAGE]][i % PAGE] = request.tokens[i]
        assert len(written) == len(set(written))
        for request, n in plan:
            end = request.num_computed + n
            assert [self.slots[request.table[i // PAGE]][i % PAGE] for i in range(end)] == request.tokens[:end]
        return plan

    @invariant()
    @precondition(lambda self: hasattr(self, "pool"))
    def references_are_the_tables(self) -> None:
        held = [int(page) for request in self.requests for page in request.table]
        assert self.pool.references == [held.count(page) for page in range(self.pool.count)]
        assert self.pool.free == self.pool.references.count(0)
        line = [*self.scheduler.running, *self.scheduler.waiting]
        assert line == [r for r in self.requests if r.ended is None]  # in order of arrival

    def teardown(self) -> None:
        for _ in range(20_000):
            if not hasattr(self, "pool") or all(r.ended for r in self.requests):
                break
            plan = self.step_plan()
            self.scheduler.done(plan, [7] * len(plan))
        if hasattr(self, "pool"):
            assert all(r.ended for r in self.requests)
            assert self.pool.free == self.pool.count


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=80, stateful_step_count=14, deadline=None, derandomize=True)
