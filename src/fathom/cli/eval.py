"""``fathom eval``: how good a model is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fathom.files import human

from .console import emit_json, progress, table
from .messages import say
from .options import Json, Model, Threads

__all__ = ["VERBS"]


def bpb(
    text: Annotated[list[Path], typer.Option("--text", metavar="FILE", help=say("eval.text"))],
    model: Model = "mini",
    context: Annotated[int | None, typer.Option("--context", metavar="N", min=2, help=say("eval.window"))] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    from fathom.eval.bpb import bits_per_byte

    from .conversation import load_model

    llm = load_model({"model": model, "threads": threads})
    found = []
    for path in text:
        with progress(say("eval.reading", what=path)) as report:
            found.append(bits_per_byte(llm, path, context=context, report=report))
    size = sum(one.bytes for one in found)
    total = {name: sum(getattr(one, name) * one.bytes for one in found) / size for name in ("bits_per_byte", "xz")}
    if as_json:
        sums = {name: sum(getattr(one, name) for one in found) for name in ("bytes", "tokens", "windows", "seconds")}
        files = [one.to_json() for one in found]
        return emit_json({**total, **sums, "context": found[0].context, "model": model, "files": files})
    titles = [("col.file", False), ("col.bits", True), ("col.xz", True), ("col.size", True), ("col.tokens", True)]
    rows = [[o.path, f"{o.bits_per_byte:.4f}", f"{o.xz:.4f}", human(o.bytes), f"{o.tokens:,}"] for o in found]
    last = [say("data.all"), f"{total['bits_per_byte']:.4f}", f"{total['xz']:.4f}", human(size), ""]
    table([(say(key), number) for key, number in titles], rows, footer=last if len(found) > 1 else None)


VERBS: dict[str, Callable[..., Any]] = {"bpb": bpb}
