"""Other processes: waiting until they leave the cores alone, and how much of them they took meanwhile.

Read from /proc; on systems without it nothing is known, nobody is waited for and the share is None. Time stolen by the
host of a virtual machine counts as taken by others.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

__all__ = ["Others", "wait_for_quiet"]

STAT = Path("/proc/stat")
WINDOW = 0.2  # seconds
WINDOWS = 3  # in a row
BUSY = 0.08  # of all cores; less is quiet


def busy_and_total() -> tuple[int, int]:
    """Clock ticks of all cores together since the start of the machine."""
    ticks = [int(x) for x in STAT.read_text().split("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def own_ticks(pid: int | str) -> int:
    """Clock ticks that the threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def wait_for_quiet(limit: float = math.inf) -> bool:
    """Waits for three quiet windows in a row, ``limit`` seconds at most; whether they came."""
    if not STAT.exists():
        return True
    quiet, deadline = 0, time.monotonic() + limit
    while quiet < WINDOWS:
        if time.monotonic() >= deadline:
            return False
        busy, total = busy_and_total()
        time.sleep(WINDOW)
        now_busy, now_total = busy_and_total()
        quiet = quiet + 1 if now_busy - busy < BUSY * (now_total - total) else 0
    return True


class Others:
    """The share of all cores that processes other than ``pids`` (this one) took inside ``with`` blocks, in all."""

    def __init__(self, *pids: int | str) -> None:
        self._pids = pids or ("self",)
        self._start = (0, 0)
        self._taken = self._total = 0

    @property
    def percent(self) -> float | None:
        if not STAT.exists():
            return None
        return round(100 * max(self._taken, 0) / max(self._total, 1), 1)

    def __enter__(self) -> Others:
        self._start = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        others, total = self._now()
        self._taken += others - self._start[0]
        self._total += total - self._start[1]

    def _now(self) -> tuple[int, int]:
        """Ticks that others have used, and all that passed."""
        if not STAT.exists():
            return 0, 0
        busy, total = busy_and_total()
        return busy - sum(map(own_ticks, self._pids)), total
