"""``fathom trace``: two executors, checkpoints or formats run side by side; the first op that differs is named."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import emit, emit_json
from .messages import say
from .options import Json

__all__ = ["trace"]


def trace(
    a: Annotated[str, typer.Argument(metavar="A", help=say("trace.a"))],
    b: Annotated[str | None, typer.Argument(metavar="B", help=say("trace.b"), show_default=False)] = None,
    prompt: Annotated[
        str, typer.Option("--prompt", metavar="TEXT", help=say("trace.prompt"))
    ] = "Hello, world. 你好，世界。",
    executor_a: Annotated[str, typer.Option(metavar="NAME", help=say("trace.executor"))] = "native",
    executor_b: Annotated[str, typer.Option(metavar="NAME", help=say("trace.executor"))] = "native",
    dtype_a: Annotated[str, typer.Option(metavar="FORMAT", help=say("trace.dtype"))] = "auto",
    dtype_b: Annotated[str, typer.Option(metavar="FORMAT", help=say("trace.dtype"))] = "auto",
    tolerance: Annotated[
        float | None, typer.Option(metavar="X", help=say("trace.tolerance"), show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    from fathom.trace import trace_models

    sides = {"executor_a": executor_a, "executor_b": executor_b, "dtype_a": dtype_a, "dtype_b": dtype_b}
    report = trace_models(a, b or a, prompt, **sides, tolerance=tolerance)
    if as_json:
        emit_json(report.to_json())
    else:
        emit("\n".join(report.lines()))
    if report.first is not None:
        raise typer.Exit(1)
