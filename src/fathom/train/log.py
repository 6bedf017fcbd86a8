"""The record of a run: ``metrics.jsonl``, one line a step, each step once however often the run was resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import atomic_file, errors_of

__all__ = ["Log", "read_log"]


class Log:
    """Appends lines; ``resume`` drops what came after the step that a run goes back to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def resume(self, step: int) -> None:
        if not self._path.exists():
            return
        kept = [line for line in read_log(self._path) if line["step"] < step]
        with atomic_file(self._path) as file:
            file.write("".join(json.dumps(line) + "\n" for line in kept).encode())

    def write(self, lines: list[dict[str, Any]]) -> None:
        with errors_of(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; one that a crash cut off, or that is no line of a step, is left out."""
    lines = []
    with errors_of(path):
        text = path.read_text("utf-8", errors="replace")
    for text_line in text.splitlines():
        try:
            line = json.loads(text_line)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines
