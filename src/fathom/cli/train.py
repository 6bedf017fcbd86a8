"""``fathom train``: pre-training and fine-tuning by a recipe, and the picture of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import emit, emit_json, note
from .messages import say
from .options import Json

__all__ = ["VERBS"]

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE.toml", help=say("train.recipe"))]
Run = Annotated[Path | None, typer.Option("--run", metavar="DIR", help=say("train.run"))]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help=say("train.set"))]
Minutes = Annotated[float | None, typer.Option("--max-minutes", metavar="M", min=0, help=say("train.minutes"))]


def pretrain(
    recipe: RecipeFile, run: Run = None, set_: Settings = None, minutes: Minutes = None, json: Json = False
) -> None:
    _train("pretrain", recipe, run, set_, minutes, json)


def sft(
    recipe: RecipeFile, run: Run = None, set_: Settings = None, minutes: Minutes = None, json: Json = False
) -> None:
    _train("sft", recipe, run, set_, minutes, json)


def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=say("train.folder"))],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.html", help=say("train.out"))] = None,
) -> None:
    from fathom.train.run import plot as draw

    emit(str(draw(run, out)))


def _train(
    objective: str, recipe: Path, run: Path | None, settings: list[str] | None, minutes: float | None, json: bool
) -> None:
    from fathom.train.run import train

    outcome = train(objective, recipe, run, settings or (), minutes, say=note)
    if json:
        return emit_json({key: str(v) if isinstance(v, Path) else v for key, v in asdict(outcome).items()})
    emit(say("train.finished" if outcome.finished else "train.stopped", step=outcome.step, path=outcome.checkpoint))
    if outcome.exported is not None:
        emit(say("train.exported", path=outcome.exported))


VERBS: dict[str, Callable[..., Any]] = {"pretrain": pretrain, "sft": sft, "plot": plot}
