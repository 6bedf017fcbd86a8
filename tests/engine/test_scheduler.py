"""The scheduler: pieces, budgets, preemption, refusals; and a state machine over what the pages hold."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fathom.engine.pages import PAGE, PagePool
from fathom.engine.scheduler import Request, Scheduler
from fathom.errors import FathomError


def test_a_long_prompt_is_cut_on_page_boundaries_and_gets_half_of_the_budget_beside_a_decode() -> None:
    scheduler = Scheduler(PagePool(12), max_running=4)
    short, long = Request([1] * 5, 9), Request([2] * 300, 1)
    scheduler.add(short)
    scheduler.done(scheduler.plan(280), [3])
    scheduler.add(long)
    pieces = []
    while long.pending:
        plan = scheduler.plan(280)
        assert plan[0] == (short, 1)
        pieces.append(plan[1][1])
        scheduler.done(plan, [3, None])
    assert pieces == [128, 128, 44]
    scheduler.end(short)
    scheduler.end(long)
    alone = Request([4] * 300, 1)
    scheduler.add(alone)
    assert scheduler.plan(280) == [(alone, 256)]


def test_a_prompt_is_found_again_only_behind_the_same_root() -> None:
    scheduler, cached = Scheduler(PagePool(40)), []
    for root in (b"", b"", b"salt", b"other", b"salt"):
        request = Request([7] * 200, 1, root=root)
        scheduler.add(request)
        ((_, computed),) = plan = scheduler.plan(512)
        scheduler.done(plan, [1])
        scheduler.end(request)
        cached.append(200 - computed)
    assert cached == [0, 192, 0, 0, 192]


def test_a_newcomer_starts_beside_a_long_prompt() -> None:
    scheduler = Scheduler(PagePool(40), max_running=4)
    long, newcomer = Request([2] * 2000, 1), Request([3] * 40, 1)
    scheduler.add(long)
    scheduler.done(scheduler.plan(256), [None])
    scheduler.add(newcomer)
    assert scheduler.plan(256) == [(long, 128), (newcomer, 40)]


def test_a_prompt_leaves_a_token_to_each_decode_behind_it() -> None:
    scheduler = Scheduler(PagePool(12), max_running=4)
    requests = [Request([1] * 300, 2), Request([2] * 300, 2), Request([3] * 5, 9)]
    scheduler.add(requests[2])
    scheduler.done(scheduler.plan(256), [4])
    for request in requests[:2]:
        scheduler.add(request)
    scheduler.done(scheduler.plan(256), [4, None, None])
    scheduler.running.sort(key=requests.index)  # as if the decode had come last
    assert scheduler.plan(256) == [(requests[0], 128), (requests[1], 64), (requests[2], 1)]  # 128 would leave it none


def test_the_last_to_arrive_is_preempted_and_finds_its_pages_again() -> None:
    scheduler = Scheduler(PagePool(4), max_running=2)
    first, last = Request([1] * 127, 100), Request([2] * 100, 100)
    scheduler.add(first)
    scheduler.add(last)
    scheduler.done(scheduler.plan(256), [5, 5])
    while last in scheduler.running:
        plan = scheduler.plan(256)
        scheduler.done(plan, [5] * len(plan))
    assert first in scheduler.running
    assert not last.table.size
    scheduler.end(first)
    assert scheduler.plan(256) == [(last, len(last.tokens) - PAGE)]


def test_requests_of_one_step_share_their_prefix_unless_the_step_fails() -> None:
    scheduler = Scheduler(PagePool(12), max_running=4)
    requests = [Request([*[1] * 128, i], 9) for i in range(3)]
    for request in requests:
        scheduler.add(request)
    plan = scheduler.plan(400)
    assert [n for _, n in plan] == [129, 1, 1]
    assert scheduler.pool.references[:2] == [3, 3]
    scheduler.failed()
    for request in requests:
        scheduler.end(request)
    assert scheduler.pool.match(requests[0].tokens)[0] == []


def test_an_answer_is_found_by_the_next_turn() -> None:
    scheduler = Scheduler(PagePool(12), max_running=4)
    first = Request([1] * 30, 100)
    scheduler.add(first)
    for _ in range(100):
        plan = scheduler.plan(256)
        scheduler.done(plan, [5])
    scheduler.end(first)
    turn = Request([*first.tokens, 6], 1)
    scheduler.add(turn)
    assert scheduler.plan(256) == [(turn, 130 + 1 - 2 * PAGE)]


def test_where_all_prompt_tokens_are_scored_nothing_is_found_and_pieces_are_pages() -> None:
    scheduler = Scheduler(PagePool(12), max_running=4)
    for scored in (False, True):
        request = Request([1] * 150, 2, scored=scored)
        scheduler.add(request)
        pieces = []
        while request.pending:
            plan = scheduler.plan(256)
            pieces.append(plan[0][1])
            scheduler.done(plan, [None])
        assert pieces == ([64, 64, 22] if scored else [150])
        scheduler.end(request)


def test_what_never_fits_is_refused() -> None:
    scheduler = Scheduler(PagePool(2), max_running=1)
    with pytest.raises(FathomError) as caught:
        scheduler.add(Request([1] * 128, 1))
    assert caught.value.code == "context_length_exceeded"
    assert len(scheduler) == 0


class Requests(RuleBasedStateMachine):
    """Slots hold the token that was computed into them, so a wrong hit or a page with two writers shows."""

    @initialize(pages=st.integers(3, 12), running=st.integers(1, 4), spare=st.integers(0, 200))
    def start(self, pages: int, running: int, spare: int) -> None:
        self.pool = PagePool(pages)
        self.scheduler = Scheduler(self.pool, max_running=running)
        self.budget = self.scheduler.least_budget + spare
        self.slots = [[-1] * PAGE for _ in range(pages)]
        self.requests: list[Request] = []

    @rule(shared=st.integers(0, 4), own=st.integers(1, 130), wanted=st.integers(0, 90), scored=st.booleans())
    def arrive(self, shared: int, own: int, wanted: int, scored: bool) -> None:
        tokens = [i % 7 for i in range(shared * 50)] + [9 + len(self.requests) % 2] * own
        request = Request(tokens, wanted, scored=scored)
        if len(tokens) + wanted <= self.pool.count * PAGE:
            self.scheduler.add(request)
            self.requests.append(request)
        else:
            with pytest.raises(FathomError) as caught:
                self.scheduler.add(request)
            assert caught.value.code == "context_length_exceeded"

    @rule(data=st.data(), cancel=st.booleans(), fail=st.booleans(), times=st.integers(1, 8))
    def steps(self, data: st.DataObject, cancel: bool, fail: bool, times: int) -> None:
        for _ in range(times):
            plan = self.step_plan()
            if cancel and self.requests:
                self.scheduler.end(data.draw(st.sampled_from(self.requests)))
                cancel = False
            if fail:  # as a pass that broke off: half of what it wrote is rubbish
                self.scheduler.failed()
                for request, n in plan:
                    for i in range(request.num_computed, request.num_computed + n) if request.live else ():
                        self.slots[request.table[i // PAGE]][i % PAGE] = -1
                    self.scheduler.end(request)
                fail = False
            else:
                self.finish(plan)

    def finish(self, plan: list[tuple[Request, int]]) -> None:
        reached = [request.live and n == request.pending for request, n in plan]
        sampled = [7 if end and r.max_tokens else None for end, (r, _) in zip(reached, plan, strict=True)]
        self.scheduler.done(plan, sampled)
        for end, (request, _) in zip(reached, plan, strict=True):
            if end and len(request.tokens) - request.prompt_length == request.max_tokens:
                self.scheduler.end(request)

    def step_plan(self) -> list[tuple[Request, int]]:
        plan = self.scheduler.plan(self.budget)
        assert sum(n for _, n in plan) <= self.budget
        oldest = next((r for r in self.requests if r.live), None)
        assert oldest is None or plan[0][0] is oldest  # the oldest proceeds in every step: nobody starves
        planned = [request for request, _ in plan]
        assert all(r.pending > 1 for r in self.scheduler.running if r not in planned)  # a prompt delays no decode
        written: list[int] = []
        for request, n in plan:
            assert n > 0
            start, end = request.num_computed, request.num_computed + n
            assert end == len(request.tokens) or end % PAGE == 0
            assert not request.scored or start >= request.prompt_length or n <= PAGE
            pages = {int(request.table[i // PAGE]) for i in range(start, end)}
            written += pages
            for i in range(start, end):
                self.slots[request.table[i // PAGE]][i % PAGE] = request.tokens[i]
        assert len(written) == len(set(written))  # each has one writer
        for request, n in plan:  # a pass reads when all is written
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
        assert line == [r for r in self.requests if r.live]  # in order of arrival

    def teardown(self) -> None:
        for _ in range(20_000):
            if not hasattr(self, "pool") or not any(r.live for r in self.requests):
                break
            self.finish(self.step_plan())
        if hasattr(self, "pool"):
            assert not any(r.live for r in self.requests)
            assert self.pool.free == self.pool.count


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=80, stateful_step_count=14, deadline=None, derandomize=True)
