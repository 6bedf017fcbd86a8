"""Where the command line writes: results on standard output, all else on standard error; rich on terminals only."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fathom.files import human

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Report", "emit", "emit_json", "note", "progress", "short", "table"]

PATIENCE = 1.0  # seconds of silence before a progress bar appears
WIDE = 10_000  # columns; tables with a header take what they need
EVERY = 15.0  # seconds between progress lines where there is no terminal


Report = Callable[[int, int], None]  # what long work calls as it goes: bytes done, bytes in all


def emit(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)  # noqa: T201 - this is the place where results leave


def emit_json(value: object) -> None:
    emit(json.dumps(value, ensure_ascii=False))


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def plain(stream: Any) -> bool:
    """No colours and no drawing: not a terminal, or the user asked for none (https://no-color.org)."""
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def short(count: float) -> str:
    """A count as people read it: ``5.3 G``."""
    for unit in ("", " k", " M", " G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g} T"


def table(
    columns: Sequence[tuple[str, bool]],
    rows: Sequence[Sequence[str]],
    *,
    footer: Sequence[str] | None = None,
    header: bool = True,
) -> None:
    """Prints aligned columns of (title, is a number), never cut; in a pipe the same text without colours.

    Only facts, rows without a header, are folded, and those only to the width of a terminal.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    bare = plain(sys.stdout)
    bold = "" if bare else "bold"
    width = WIDE if header or not sys.stdout.isatty() else shutil.get_terminal_size().columns
    console = Console(file=sys.stdout, no_color=bare, highlight=False, width=width)
    grid = Table(
        box=None,
        show_header=header,
        show_footer=footer is not None,
        pad_edge=False,
        header_style=bold,
        padding=(0, 2, 0, 0),
    )
    for index, (title, number) in enumerate(columns):
        grid.add_column(
            title,
            justify="right" if number else "left",
            footer=footer[index] if footer else "",
            overflow="fold",
            footer_style=bold,
        )
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    with console.capture() as drawn:
        console.print(grid)
    emit("\n".join(line.rstrip() for line in drawn.get().splitlines()))


@contextmanager
def progress(label: str, *, show: Callable[[int], str] = human) -> Iterator[Report]:
    """A bar on standard error with rate and time left, for work that turns out to take longer than a moment.

    What is done are bytes, unless ``show`` says how to write something else.

    >>> with progress("loading mini") as report: load(progress=report)
    """
    started, bar, last = time.monotonic(), None, 0.0
    task: TaskID | None = None

    def report(done: int, total: int) -> None:
        nonlocal bar, task, last
        now = time.monotonic()
        if now - started < PATIENCE or (done < total and now - last < 0.1):
            return
        if not sys.stderr.isatty():
            if now - max(last, started) >= EVERY:
                note(f"{label}: {show(done)} / {show(total)}")
                last = now
            return
        last = now
        if bar is None:
            bar = _bar(of_bytes=show is human)
            task = bar.add_task(label, total=total)
            bar.start()
        assert task is not None
        bar.update(task, completed=done, total=total)

    try:
        yield report
    finally:
        if bar is not None:
            bar.stop()


def _bar(of_bytes: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(file=sys.stderr, no_color=plain(sys.stderr))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *((DownloadColumn(True), TransferSpeedColumn()) if of_bytes else (MofNCompleteColumn(),)),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
