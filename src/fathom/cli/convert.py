"""``fathom quantize``, ``export`` and ``dummy``: verbs that write a model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from fathom.weights.atomic import human

from .console import emit, progress
from .messages import say
from .models import size
from .options import Destination, Source

__all__ = ["chosen", "dummy", "export", "quantize"]


def quantize(
    src: Source,
    dst: Destination,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help=say("quantize.format"))],
    group: Annotated[int, typer.Option(metavar="N", help=say("quantize.group"))] = 32,
) -> None:
    from fathom.hub.store import resolve
    from fathom.weights.quantize import quantize as convert

    with progress(say("quantize.progress", what=src)) as report:
        convert(resolve(src), dst, format, group, progress=report)
    _wrote(dst)


def export(
    src: Source,
    dst: Annotated[Path, typer.Argument(metavar="DST.gguf", help=say("arg.dst_gguf"))],
    type: Annotated[str, typer.Option("--type", metavar="TYPE", help=say("export.type"))] = "Q8_0",
) -> None:
    from fathom.hub.store import resolve
    from fathom.weights.checkpoint import open_checkpoint
    from fathom.weights.gguf_write import export_gguf

    with progress(say("export.progress", what=src)) as report:
        export_gguf(open_checkpoint(resolve(src)), dst, type, progress=report)
    _wrote(dst)


def dummy(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("dummy.name"))],
    dst: Destination,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help=say("dummy.format"))] = "int4",
    seed: Annotated[int, typer.Option(metavar="N", help=say("dummy.seed"))] = 0,
) -> None:
    _make(name, dst, format, seed)
    _wrote(dst)


def chosen(model: str, dummy: str | None, dtype: str) -> str:
    """The model to run; for ``--dummy NAME`` random weights, made in the store at their first use."""
    if dummy is None:
        return model
    from fathom.hub.store import home

    format = "int4" if dtype == "auto" else dtype
    path = home() / "dummy" / f"{dummy}-{format}"
    if not path.exists():
        _make(dummy, path, format, seed=0)
    return str(path)


def _make(name: str, dst: Path, format: str, seed: int) -> None:
    """Random weights; the tokenizer is mini's, whose ids every published vocabulary holds."""
    from fathom.hub.store import resolve
    from fathom.weights.dummy import make_dummy

    with progress(say("dummy.progress", what=name)) as report:
        make_dummy(name, dst, format, seed, progress=report)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(resolve("mini") / file, dst / file)


def _wrote(path: Path) -> None:
    emit(say("wrote", path=path, size=human(size(path))))
