"""Typed tasks: conversations whose answers are right by construction, in Chinese and English.

A family is a function (random, language) -> :class:`Example`, or None where what was drawn makes no sense; every
example carries its answer apart from the text, so that it can be checked. ``generate`` never repeats one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from fathom.errors import FathomError

from . import arithmetic, edits, extract, format, grounded, intents, lists, metrics, sums, tables, tools, tutor
from .words import Example

__all__ = ["FAMILIES", "Example", "generate"]

Family = Callable[[random.Random, str], Example | None]
FAMILIES: Mapping[str, Family] = {
    "arithmetic": arithmetic.sample,
    "edits": edits.sample,
    "extract": extract.sample,
    "format": format.sample,
    "grounded": grounded.sample,
    "intents": intents.sample,
    "lists": lists.sample,
    "metrics": metrics.sample,
    "sums": sums.sample,
    "tables": tables.sample,
    "tools": tools.sample,
    "tutor": tutor.sample,
}
LANGUAGES = ("zh", "en")
PATIENCE = 1000  # draws without anything new: the family has no more


def generate(family: str, count: int, *, seed: int, languages: Sequence[str] = LANGUAGES) -> Iterator[Example]:
    """``count`` different examples, languages by turns; the same ones for the same seed."""
    if family not in FAMILIES:
        raise FathomError("choice_unknown", what="family", found=family, known=", ".join(FAMILIES))
    for language in languages:
        if language not in LANGUAGES:
            raise FathomError("choice_unknown", what="language", found=language, known=", ".join(LANGUAGES))
    draw, seen, idle = random.Random(f"{seed}/{family}"), set[int](), 0
    while len(seen) < count:
        example = FAMILIES[family](draw, languages[len(seen) % len(languages)])
        key = hash(example.turns) if example else 0
        if example is None or key in seen:
            idle += 1
            if idle > PATIENCE:
                problem = f"it has no more than {len(seen)} different examples"
                raise FathomError("data_invalid", source=family, problem=problem)
            continue
        idle = 0
        seen.add(key)
        yield example
