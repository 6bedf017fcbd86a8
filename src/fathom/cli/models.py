"""``fathom models`` and ``fathom pull``: what is on this machine, what it consists of, whether it is whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fathom.errors import FathomError
from fathom.files import human

from .console import emit, emit_json, note, progress, table
from .messages import say
from .options import CacheDtype, Dtype, Json

__all__ = ["VERBS", "pull", "size"]

Name = Annotated[str, typer.Argument(metavar="M", help=say("opt.model"))]


def list_(as_json: Json = False) -> None:
    from fathom.hub.store import list_models

    models = list_models()
    if as_json:
        emit_json([{**asdict(model), "path": str(model.path)} for model in models])
    elif models:
        titles = [
            ("col.name", False),
            ("col.format", False),
            ("col.size", True),
            ("col.source", False),
            ("col.where", False),
        ]
        rows = [(m.name, m.format, human(m.nbytes), say(f"source.{m.source}"), str(m.path)) for m in models]
        table([(say(key), number) for key, number in titles], rows)
    else:
        note(say("models.none"))


def show(
    model: Name,
    program: Annotated[bool, typer.Option("--program", help=say("models.program"))] = False,
    context: Annotated[int, typer.Option("--context", metavar="N", min=0, help=say("models.context_bytes"))] = 0,
    dtype: Dtype = "auto",
    cache_dtype: CacheDtype = "auto",
    as_json: Json = False,
) -> None:
    from .program import describe, find, print_program, print_summary

    shape = find(model, dtype, cache_dtype)
    if as_json:
        emit_json(describe(shape, context, program))
    elif program:
        print_program(shape, context)
    else:
        print_summary(shape, context)


def verify(model: Name, as_json: Json = False) -> None:
    from fathom.hub.store import resolve
    from fathom.weights.verify import verify as check

    path = resolve(model)
    with progress(say("load.progress", what=path.name)) as report:
        result = check(path, progress=report)
    if as_json:
        emit_json({**asdict(result), "path": str(path), "ok": result.ok})
    else:
        faults = [
            *(say("verify.missing", name=name) for name in result.missing),
            *(say("verify.unexpected", name=name) for name in result.unexpected),
            *(say("verify.misshaped", name=t.name, found=t.found, expected=t.expected) for t in result.misshaped),
            *(say("verify.unsupported", name=name, type=type) for name, type in result.unsupported),
            *(say("verify.not_finite", name=name) for name in result.not_finite),
        ]
        for line in faults:
            emit(line)
        if result.unused:
            note(say("verify.unused", count=len(result.unused), name=result.unused[0]))
        emit(say("verify.ok", count=result.tensors) if result.ok else say("verify.bad", count=len(faults)))
    if not result.ok:
        raise typer.Exit(1)


def remove(model: Name, yes: Annotated[bool, typer.Option("-y", "--yes", help=say("models.yes"))] = False) -> None:
    from fathom.hub import store

    path = store.resolve(model)
    if not yes:
        if not sys.stdin.isatty():
            raise FathomError("request_invalid", problem=say("models.confirm_needed", path=path))
        note(say("models.confirm", path=path, size=human(size(path))))
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
            raise typer.Exit(1)
    note(say("models.removed", path=store.remove(model)))


def size(path: Path) -> int:
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


VERBS: dict[str, Callable[..., Any]] = {"list": list_, "show": show, "verify": verify, "remove": remove}


def pull(
    repo: Annotated[str, typer.Argument(metavar="REPO[:FILE]", help=say("pull.repo"))],
    revision: Annotated[str | None, typer.Option(metavar="REV", help=say("pull.revision"))] = None,
    as_json: Json = False,
) -> None:
    from fathom.hub.pull import pull as fetch

    name, _, file = repo.partition(":")
    with progress(say("pull.progress", what=repo)) as report:
        path = fetch(name, file=file or None, revision=revision, progress=report)
    if as_json:
        emit_json({"path": str(path), "bytes": size(path)})
    else:
        emit(str(path))
