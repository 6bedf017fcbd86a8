"""``fathom eval harness``: tasks of lm-evaluation-harness, asked of a model here or of a server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fathom.errors import Both, FathomError

from .console import EVERY, emit_json, note, table
from .messages import say
from .options import Json, Model, Threads

__all__ = ["harness"]


def harness(
    tasks: Annotated[str, typer.Option("--tasks", metavar="A,B,...", help=say("eval.names"))],
    model: Model = "mini",
    include: Annotated[Path | None, typer.Option("--include", metavar="DIR", help=say("eval.include"))] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help=say("eval.first"))] = None,
    shots: Annotated[int | None, typer.Option("--shots", metavar="N", min=0, help=say("eval.shots"))] = None,
    chat: Annotated[bool, typer.Option("--chat", help=say("eval.chat"))] = False,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help=say("eval.url"))] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if not names:
        raise FathomError("parameter_invalid", param="--tasks", problem=Both("names no task", "没有写出任务"))
    if base_url and threads:
        raise FathomError(
            "parameter_invalid",
            param="--threads",
            problem=Both("not together with --base-url", "不能与 --base-url 同用"),
        )
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", str(EVERY))  # the harness draws its own bars
    from fathom.eval.harness import FathomLM, connect, evaluate, summary

    from .conversation import load_model

    lm = connect(base_url, model) if base_url else FathomLM(load_model({"model": model, "threads": threads}))
    result = summary(evaluate(lm, names, include=include, limit=limit, shots=shots, chat=chat))
    if isinstance(lm, FathomLM) and lm.cut:
        note(say("eval.cut", count=lm.cut, most=lm.max_length))
    if as_json:
        return emit_json({"model": model, "server": base_url, "chat": chat, "limit": limit, **result})
    rows = [
        (name, _figure(task["n"]), _figure(task["shots"]), metric, _figure(value["score"]), _figure(value["stderr"]))
        for name, task in result["tasks"].items()
        for metric, value in task["metrics"].items()
    ]
    numbers = {"col.count", "col.shots", "col.score", "col.stderr"}
    titles = ("col.task", "col.count", "col.shots", "col.metric", "col.score", "col.stderr")
    table([(say(title), title in numbers) for title in titles], rows)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
