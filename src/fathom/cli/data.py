"""``fathom data``: training data from a recipe to token sets, and in parts to another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.files import human

from .console import emit, emit_json, progress, short, table
from .messages import say
from .options import Json

if TYPE_CHECKING:
    from fathom.data.tokens import TokenSet

__all__ = ["VERBS"]

Sets = Annotated[Path, typer.Argument(metavar="SETS", help=say("data.sets"))]
Parts = Annotated[Path, typer.Argument(metavar="PARTS", help=say("data.parts"))]


def build(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help=say("data.recipe"))],
    out: Annotated[Path, typer.Argument(metavar="OUT", help=say("data.out"))],
    source: Annotated[list[Path], typer.Option("--from", metavar="DIR", help=say("data.from"))],
    tokenizer: Annotated[str, typer.Option("--tokenizer", metavar="M", help=say("data.tokenizer"))] = "mini",
    as_json: Json = False,
) -> None:
    from fathom.data.build import build as run
    from fathom.data.recipe import Recipe
    from fathom.hub.store import resolve

    read = Recipe.load(recipe)
    with progress(say("data.building", what=read.name)) as report:
        made = run(read, source, resolve(tokenizer), out, report=report)
    _show(made, as_json)


def generate(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help=say("data.family"))],
    out: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help=say("data.examples"))],
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help=say("data.count"))] = 10_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help=say("data.seed"))] = 0,
    language: Annotated[list[str], typer.Option("--language", metavar="L", help=say("data.language"))] = ["zh", "en"],  # noqa: B006
) -> None:
    import json

    from fathom.data.generate import generate as examples
    from fathom.files import atomic_file

    with progress(say("data.generating", what=family), show=str) as report, atomic_file(out) as file:
        for number, example in enumerate(examples(family, count, seed=seed, languages=language), 1):
            file.write((json.dumps(example.to_json(), ensure_ascii=False) + "\n").encode())
            report(number, count)
    emit(f"{out}: {say('data.made', count=f'{count:,}')}")


def pack(
    sets: Sets,
    parts: Parts,
    part_mb: Annotated[float, typer.Option("--part-mb", metavar="N", help=say("data.part_mb"))] = 20,
    as_json: Json = False,
) -> None:
    from fathom.data.parts import pack_parts

    with progress(say("data.packing", what=sets)) as report:
        made = {part: part.stat().st_size for part in pack_parts(sets, parts, part_mb, report=report)}
    if as_json:
        return emit_json([{"path": str(part), "bytes": size} for part, size in made.items()])
    table([(say("col.file"), False), (say("col.size"), True)], [[str(p), human(size)] for p, size in made.items()])


def unpack(parts: Parts, sets: Sets, as_json: Json = False) -> None:
    from fathom.data.parts import unpack_parts
    from fathom.data.tokens import load_sets

    with progress(say("data.unpacking", what=parts)) as report:
        missing = unpack_parts(parts, sets, report=report)
    if missing and not as_json:
        return emit(say("data.missing", parts=", ".join(missing)))
    if missing:
        return emit_json({"missing": missing})
    _show(load_sets(sets), as_json)


def _show(made: dict[str, TokenSet], as_json: bool) -> None:
    if as_json:
        return emit_json([dict(one.meta) for one in made.values()])
    titles = [("col.name", False), ("col.documents", True), ("col.tokens", True), ("col.hash", False)]
    rows = [[name, f"{one.documents:,}", short(len(one)), one.hash[:16]] for name, one in made.items()]
    total = [say("data.all"), f"{sum(o.documents for o in made.values()):,}", short(sum(map(len, made.values()))), ""]
    table([(say(key), number) for key, number in titles], rows, footer=total)


VERBS: dict[str, Callable[..., Any]] = {"build": build, "generate": generate, "pack": pack, "unpack": unpack}
