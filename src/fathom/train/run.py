"""What the command lines call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..files import alone_in, atomic_file
from .loop import Outcome, Trainer
from .plot import draw
from .recipe import load_recipe

__all__ = ["OBJECTIVES", "plot", "train"]

OBJECTIVES = ("pretrain", "sft")


def train(
    objective: str,
    recipe: Path,
    folder: Path | None = None,
    settings: Sequence[str] = (),
    max_minutes: float | None = None,
    *,
    say: Callable[[str], None],
) -> Outcome:
    """Begins or continues the run in ``folder`` (default: ``runs/RECIPE``); ``say`` gets lines of progress.

    Raises ``in_use`` where another process works in the folder.
    """
    loaded, folder = load_recipe(recipe, settings), folder or Path("runs") / recipe.stem
    with alone_in(folder):
        return Trainer(loaded, folder, objective, say).train(max_minutes)


def plot(run: Path, target: Path | None = None) -> Path:
    """Draws a run's metrics into one self-contained HTML file (default: ``RUN/plot.html``)."""
    target = target or run / "plot.html"
    page = draw(run)
    with atomic_file(target) as file:
        file.write(page.encode())
    return target
