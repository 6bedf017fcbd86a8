"""Results that are kept: JSON lines with the commit, the machine and how near to its roof an op came."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fathom.errors import FathomError

__all__ = ["check_log", "processor", "write_log"]


def processor() -> str:
    """The name of the processor, as /proc/cpuinfo has it on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    rows = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def check_log(path: Path | None) -> None:
    """A file that can't be written is an error before anything is measured."""
    if path is not None:
        _append(path, "")


def write_log(path: Path, result: dict[str, Any], ops: Iterable[tuple[str, float]]) -> None:
    """One JSON line for each (op, fraction of its roof), with commit, CPU and the model."""
    about = {"date": datetime.date.today().isoformat(), "commit": _commit()}
    about |= {key: result[key] for key in ("cpu", "level", "threads", "model", "format", "other_cpu_percent")}
    _append(path, "".join(json.dumps(about | {"op": op, "roof_fraction": part}) + "\n" for op, part in ops))


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FathomError("file_unreadable", path=path, problem=error.strerror) from None


def _commit() -> str | None:
    """Of the checkout this package lies in; None for an installed one."""
    try:
        call = ["git", "rev-parse", "--short", "HEAD"]
        done = subprocess.run(call, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return None
    return done.stdout.strip() or None
