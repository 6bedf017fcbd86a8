"""The line: order, bounds, cancelling, failures, shutdown."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from fathom.errors import FathomError
from fathom.server.jobs import Line


async def until(condition, timeout_s=5.0):
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "took too long"
        await asyncio.sleep(0.005)


def run(scenario, max_queue=8):
    async def go():
        line = Line(max_queue)
        try:
            await scenario(line)
        finally:
            await line.close()

    asyncio.run(go())


def test_jobs_run_one_at_a_time_in_order_of_arrival() -> None:
    running, log = [], []

    def work(i):
        running.append(i)
        log.append((i, len(running)))
        yield i
        time.sleep(0.005)
        running.remove(i)

    async def scenario(line):
        jobs = [line.submit(lambda i=i: work(i)) for i in range(6)]
        assert [[item async for item in job] for job in jobs] == [[i] for i in range(6)]
        assert log == [(i, 1) for i in range(6)]
        await until(lambda: len(line) == 0)

    run(scenario)


def test_one_more_than_the_line_holds_is_turned_away_and_let_in_when_there_is_room() -> None:
    gate = threading.Event()

    def work():
        gate.wait(5)
        yield 1

    async def scenario(line):
        jobs = [line.submit(work) for _ in range(3)]  # one runs, two wait
        with pytest.raises(FathomError) as caught:
            line.submit(work)
        assert (caught.value.code, caught.value.status) == ("queue_full", 429)
        jobs[2].cancel()  # a waiting one leaves
        await until(lambda: len(line) == 2)
        late = line.submit(work)
        gate.set()
        assert [item async for item in late] == [1]

    run(scenario, max_queue=2)


def test_a_waiting_job_that_is_cancelled_never_runs() -> None:
    gate, ran = threading.Event(), []

    def block():
        gate.wait(5)
        yield

    def work():
        ran.append(1)
        yield

    async def scenario(line):
        first, second = line.submit(block), line.submit(work)
        second.cancel()
        assert [item async for item in second] == []
        gate.set()
        [item async for item in first]
        await until(lambda: len(line) == 0)
        assert ran == []

    run(scenario)


def test_a_running_job_that_is_cancelled_stops_at_its_next_item_and_closes_its_generator() -> None:
    closed, made = threading.Event(), []

    def work():
        try:
            for i in range(10_000):
                made.append(i)
                time.sleep(0.001)
                yield i
        finally:
            closed.set()

    async def scenario(line):
        job = line.submit(work)
        async for item in job:
            if item == 3:
                job.cancel()
                break
        await until(closed.is_set)
        assert len(made) < 1000

    run(scenario)


def test_a_failure_reaches_its_reader_and_not_the_next_one() -> None:
    def fail():
        yield 1
        raise ZeroDivisionError

    async def scenario(line):
        bad, good = line.submit(fail), line.submit(lambda: iter_of(2))
        assert await anext(bad) == 1
        with pytest.raises(ZeroDivisionError):
            await anext(bad)
        assert [item async for item in good] == [2]

    def iter_of(x):
        yield x

    run(scenario)


def test_a_reader_that_never_reads_does_not_hold_up_the_next() -> None:
    def work():
        yield from range(1000)

    async def scenario(line):
        line.submit(work)
        assert len([item async for item in line.submit(work)]) == 1000

    run(scenario)


def test_a_reader_that_falls_too_far_behind_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr("fathom.server.jobs.MAX_UNREAD", 10)

    def work():
        for i in range(10_000):
            time.sleep(0.0001)
            yield i

    async def scenario(line):
        job = line.submit(work)
        await until(lambda: len(line) == 0)
        with pytest.raises(FathomError, match="unread"):
            [item async for item in job]

    run(scenario)


def test_draining_turns_away_waiters_and_newcomers_and_ends_the_running_one_after_the_grace() -> None:
    def endless():
        while True:
            time.sleep(0.002)
            yield 0

    async def scenario(line):
        running, waiting = line.submit(endless), line.submit(endless)
        line.drain(grace_s=0.05)
        for act in (lambda: anext(waiting), lambda: consume(running)):
            with pytest.raises(FathomError) as caught:
                await act()
            assert caught.value.code == "shutting_down"
        with pytest.raises(FathomError):
            line.submit(endless)

    async def consume(job):
        async for _ in job:
            pass

    run(scenario)
