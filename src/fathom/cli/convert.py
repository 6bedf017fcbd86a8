"""``fathom quantize``, ``export`` and ``dummy``: verbs that write a model."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fathom.errors import FathomError
from fathom.files import human

from .console import emit, emit_json, progress, table
from .messages import say
from .models import size
from .options import Destination, Json, Source

__all__ = ["chosen", "dummy", "export", "quantize"]


def quantize(
    src: Source,
    dst: Destination,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT", help=say("quantize.format"))],
    group: Annotated[int, typer.Option(metavar="N", help=say("quantize.group"))] = 32,
    calibrate: Annotated[Path | None, typer.Option(metavar="FILE", help=say("quantize.calibrate"))] = None,
    json: Json = False,
) -> None:
    if calibrate is not None:
        return _calibrated(src, dst, format, group, calibrate, json)
    from fathom.convert.quantize import quantize as convert
    from fathom.hub.store import resolve

    with progress(say("quantize.progress", what=src)) as report:
        convert(resolve(src), dst, format, group, progress=report)
    _wrote(dst, json)


def _calibrated(src: str, dst: Path, format: str, group: int, text: Path, json: bool) -> None:
    """int4, rounded by what the text shows; what it cost each op, the experts of a layer together."""
    from fathom.convert.calibrate import by_op, quantize_calibrated
    from fathom.hub.store import resolve

    if format != "int4":
        raise FathomError("choice_unknown", what="format", found=format, known="int4 (with --calibrate)")
    with (
        progress(say("quantize.running", what=text.name)) as running,
        progress(say("quantize.progress", what=src)) as report,
    ):
        losses = quantize_calibrated(resolve(src), dst, text, group, running, report)
    if json:
        tensors = [asdict(loss) for loss in losses]
        return emit_json({"path": str(dst), "bytes": size(dst), "tensors": tensors})
    columns = [(say("col.op"), False), *((say(f"col.{key}"), True) for key in ("fewest", "plain", "calibrated"))]
    table(columns, [[o.name, str(o.tokens), f"{o.plain:.2%}", f"{o.calibrated:.2%}"] for o in by_op(losses)])
    _wrote(dst)


def export(
    src: Source,
    dst: Annotated[Path, typer.Argument(metavar="DST.gguf", help=say("arg.dst_gguf"))],
    type: Annotated[str, typer.Option("--type", metavar="TYPE", help=say("export.type"))] = "Q8_0",
) -> None:
    from fathom.convert.gguf import export_gguf
    from fathom.hub.store import resolve
    from fathom.weights.checkpoint import open_checkpoint

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
    from fathom.convert.dummy import make_dummy
    from fathom.hub.store import resolve

    with progress(say("dummy.progress", what=name)) as report:
        make_dummy(name, dst, format, seed, progress=report)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(resolve("mini") / file, dst / file)


def _wrote(path: Path, json: bool = False) -> None:
    if json:
        return emit_json({"path": str(path), "bytes": size(path)})
    emit(say("wrote", path=path, size=human(size(path))))
