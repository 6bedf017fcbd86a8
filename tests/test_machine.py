"""Memory is what the process may use: the machine's, or a control group's where that is less."""

from __future__ import annotations

from fathom.machine import cores, memory

MEMINFO = "MemTotal:       8000 kB\nMemFree:        1000 kB\nMemAvailable:   6000 kB\n"
KIB = 1024


def write(path, text) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_machine_without_limits(tmp_path) -> None:
    write(tmp_path / "proc/meminfo", MEMINFO)
    write(tmp_path / "proc/self/cgroup", "0::/\n")
    found = memory(tmp_path / "proc", tmp_path / "groups")
    assert (found.total, found.available, found.limited) == (8000 * KIB, 6000 * KIB, False)


def test_parent_group_of_version_2_limits_and_its_file_cache_counts_as_free(tmp_path) -> None:
    write(tmp_path / "proc/meminfo", MEMINFO)
    write(tmp_path / "proc/self/cgroup", "0::/pod/app\n")
    group = tmp_path / "groups/pod"
    write(group / "app/memory.max", "max\n")
    write(group / "memory.max", f"{4000 * KIB}\n")
    write(group / "memory.current", f"{3000 * KIB}\n")
    write(group / "memory.stat", f"anon 1\ninactive_file {500 * KIB}\n")
    found = memory(tmp_path / "proc", tmp_path / "groups")
    assert (found.total, found.available, found.limited) == (4000 * KIB, 1500 * KIB, True)


def test_group_of_version_1_limits(tmp_path) -> None:
    write(tmp_path / "proc/meminfo", MEMINFO)
    write(tmp_path / "proc/self/cgroup", "5:cpu:/\n4:memory:/box\n0::/\n")
    write(tmp_path / "groups/memory/box/memory.limit_in_bytes", f"{2000 * KIB}\n")
    write(tmp_path / "groups/memory/box/memory.usage_in_bytes", f"{1900 * KIB}\n")
    found = memory(tmp_path / "proc", tmp_path / "groups")
    assert (found.total, found.available, found.limited) == (2000 * KIB, 100 * KIB, True)


def test_this_machine_has_memory_and_a_core() -> None:
    found = memory()
    assert 0 < found.available <= found.total
    assert cores() >= 1
