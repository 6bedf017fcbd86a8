"""What the command lines call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

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
    """Begins or continues the run in ``folder`` (default: ``runs/RECIPE``); ``say`` gets lines of progress."""
    loaded = load_recipe(recipe, settings)
    return Trainer(loaded, folder or Path("runs") / recipe.stem, objective, say).train(max_minutes)


def plot(run: Path, target: Path | None = None) -> Path:
    """Draws a run's metrics into one self-contained HTML file (default: ``RUN/plot.html``)."""
    target = target or run / "plot.html"
    target.write_text(draw(run), encoding="utf-8")
    return target
