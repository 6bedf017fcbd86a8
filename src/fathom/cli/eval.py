"""``fathom eval``: how good a model is."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from fathom.errors import Both, FathomError, language
from fathom.files import atomic_file, human

from .console import emit, emit_json, note, progress, table
from .harness import harness
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
        with progress(say("eval.predicting", what=path)) as report:
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


def core(
    model: Model = "mini",
    tasks: Annotated[str | None, typer.Option("--tasks", metavar="A,B,...", help=say("eval.tasks"))] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help=say("eval.limit"))] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.json", help=say("eval.out"))] = None,
    answers: Annotated[Path | None, typer.Option("--answers", metavar="FILE.jsonl", help=say("eval.answers"))] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    from fathom.eval.core import evaluate
    from fathom.eval.report import Result, chance, figure, rows
    from fathom.eval.titles import title, words

    from .conversation import load_model

    named = [name.strip() for name in tasks.split(",")] if tasks is not None else None
    with ExitStack() as files:
        kept = [(files.enter_context(_kept(path)) if path else None) for path in (out, answers)]  # errors come first
        llm = load_model({"model": model, "threads": threads})
        found = evaluate(llm, named, limit=limit, watch=_watch)
        for file, lines in zip(kept, ([found.result], [answer.to_json() for answer in found.answers]), strict=True):
            if file:
                file.writelines((json.dumps(line, ensure_ascii=False) + "\n").encode() for line in lines)
    for name, reason in found.result["skipped"].items():
        note(say("eval.skipped", task=name, reason=reason))
    for name, count in found.result["too_long"].items():
        note(say("eval.too_long", task=name, count=count, context=found.result["context"]))
    if as_json:
        return emit_json(found.result)
    lang = language()
    cells = []
    for row in rows([Result.of(found.result)]):
        names = (title(row.task, lang)[0], words(row.lang, lang), words(row.mode, lang))
        cells.append((*names, f"{row.known.n}", chance(row), figure(row.known)))
    for of, bits in found.result.get("bits_per_byte", {}).items():
        numbers = (f"{bits['bytes']:,}", f"{bits['xz']:.3f}", f"{bits['model']:.3f}")
        cells.append((title("bits_per_byte", lang)[0], words(of, lang), "", *numbers))
    titles = [words(key, lang) for key in ("task", "language", "mode", "n", "chance", "model")]
    table([(text, place > 2) for place, text in enumerate(titles)], cells)


def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.json...", help=say("eval.results"))],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help=say("eval.page"))] = None,
) -> None:
    from fathom.eval.page import page
    from fathom.eval.report import load, markdown

    forms = {".html": page, ".md": markdown}
    if out is not None and out.suffix not in forms:
        problem = Both(f"{out.name} ends neither in .html nor in .md", f"{out.name} 的扩展名不是 .html 或 .md")
        raise FathomError("parameter_invalid", param="--out", problem=problem)
    found = load(results)
    if out is None:
        return emit(markdown(found, language()), end="")
    with _kept(out) as file:
        file.write(forms[out.suffix](found, language()).encode())
    emit(str(out))


def _watch(stage: str) -> AbstractContextManager[Callable[[int, int], None]]:
    labels = {"weighing": "eval.weighing", "asking": "eval.asking", "reading": "eval.reading"}
    return progress(say(labels[stage]), show=human if stage == "reading" else str)


def _kept(path: Path) -> AbstractContextManager[BinaryIO]:
    if path.is_dir():
        raise FathomError("file_unreadable", path=path, problem=Both("it is a folder", "这是一个文件夹"))
    return atomic_file(path)


VERBS: dict[str, Callable[..., Any]] = {"bpb": bpb, "core": core, "report": report, "harness": harness}
