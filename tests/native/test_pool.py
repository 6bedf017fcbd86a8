"""The thread pool: every chunk once, exceptions forwarded, forked children and sleeping workers no problem."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from fathom._native import Pool


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("chunks", [0, 1, 2, 7, 100])
def test_every_chunk_runs_once_a_job(threads: int, chunks: int) -> None:
    assert Pool(threads).count(500, chunks) == [500] * chunks


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 7, 64, 1000, 1 << 20])
def test_reading_reads_everything(threads: int, count: int) -> None:
    data = np.random.default_rng(count).integers(0, 1 << 64, count, np.uint64)
    assert Pool(threads).read(data.view(np.uint8)) == int(data.sum(dtype=np.uint64))


def test_workers_take_part_and_know_their_number() -> None:
    pool, seen, all_here = Pool(3), set(), threading.Barrier(3)

    def work(chunk: int, thread: int) -> None:
        all_here.wait(60)  # nobody can take two
        seen.add(thread)

    pool.run(3, work)
    assert seen == {0, 1, 2}
    assert pool.threads == 3


def test_workers_wake_up_after_a_pause() -> None:
    pool = Pool(2)
    for _ in range(20):
        assert pool.count(3, 10) == [3] * 10
        time.sleep(0.001)  # longer than workers spin


@pytest.mark.parametrize("threads", [1, 2])
def test_an_exception_comes_back_after_the_rest_and_the_pool_lives_on(threads: int) -> None:
    pool, done = Pool(threads), []

    def work(chunk: int, thread: int) -> None:
        if chunk == 3:
            raise KeyError("planted")
        done.append(chunk)

    with pytest.raises(KeyError, match="planted"):
        pool.run(10, work)
    if threads > 1:
        assert sorted(done) == [c for c in range(10) if c != 3]
    assert pool.count(5, 6) == [5] * 6


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_runs_alone() -> None:
    pool = Pool(2)
    pool.count(1, 4)
    child = os.fork()
    if child == 0:
        os._exit(0 if pool.count(10, 4) == [10] * 4 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("threads", [0, -1, 100_000])
def test_senseless_numbers_of_threads_are_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=r"threads: .* is not in 1\.\.1024"):
        Pool(threads)


WITHOUT_THREADS = """
import resource
from fathom._native import Pool
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)  # a stack takes 8 MiB
pool = Pool(1000)
assert 1 <= pool.threads < 20, pool.threads
assert pool.count(10, 4) == [10] * 4
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_where_the_system_gives_no_more_threads_fewer_do() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_THREADS], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
