"""Other processes are seen, this one is not."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from fathom.bench.quiet import STAT, Others, wait_for_quiet

BURN = "import time; end = time.monotonic() + 5\nwhile time.monotonic() < end: pass"

pytestmark = pytest.mark.skipif(not STAT.exists(), reason="needs /proc")


@pytest.fixture
def burner():
    process = subprocess.Popen([sys.executable, "-c", BURN])
    yield process
    process.kill()
    process.wait()


def test_a_busy_process_counts_as_others_but_not_for_itself(burner) -> None:
    with Others() as mine, Others(burner.pid) as its:
        time.sleep(1)
    assert mine.percent is not None
    assert its.percent is not None
    assert mine.percent > its.percent


def test_waiting_has_an_end(burner) -> None:
    started = time.monotonic()
    assert not wait_for_quiet(0)
    wait_for_quiet(0.3)
    assert time.monotonic() - started < 5
