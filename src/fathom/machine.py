"""Memory and cores this process may use: the machine's, or less where a control group (a container) says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "cores", "memory"]


@dataclass(frozen=True, slots=True)
class Memory:
    total: int  # bytes
    available: int  # bytes that can be taken without swapping
    limited: bool  # by a control group, below what the machine has


def memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Memory:
    """Memory now; the reclaimable file cache counts as available."""
    try:
        rows = (proc / "meminfo").read_text().splitlines()
    except OSError:  # not Linux
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Memory(total, total, limited=False)
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (row.partition(":") for row in rows)}
    total, available = sizes["MemTotal"], sizes.get("MemAvailable", sizes["MemFree"])
    limited = False
    for limit, used in _limits(proc, cgroups):
        if limit < total:
            total, limited = limit, True
        available = min(available, max(limit - used, 0))
    return Memory(total, available, limited)


def _limits(proc: Path, root: Path) -> list[tuple[int, int]]:
    """(limit, memory in use that can't be reclaimed) of the process's group and its parents, versions 1 and 2."""
    found = []
    for line in _read(proc / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, limit, use, cache = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, use, cache = (
                root / "memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        else:
            continue
        own = base / path.strip("/")
        for group in (own, *own.parents):
            if (most := _read(group / limit).strip()).isdigit() and (taken := _read(group / use).strip()).isdigit():
                rows = (row.split() for row in _read(group / "memory.stat").splitlines())
                reclaimable = sum(int(row[1]) for row in rows if row[0] == cache)
                found.append((int(most), int(taken) - reclaimable))
            if group == base:
                break
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
