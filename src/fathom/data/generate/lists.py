"""Small jobs on a list: sort, reverse, pick, count, add, remove, write as JSON or numbered."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from .words import Example, capital, items, table

__all__ = ["sample"]

OF_NUMBERS = ("ascending", "descending", "largest", "smallest", "total")


def sample(draw: random.Random, language: str) -> Example | None:
    asks = table("lists")["ask"]
    operation = draw.choice(list(asks))
    chinese = language == "zh"
    if operation in OF_NUMBERS:
        most, count = (draw.choice((9, 20, 50)), 4) if operation == "total" else (draw.choice((20, 99, 999)), 8)
        entries = [str(draw.randint(1, most)) for _ in range(draw.randint(3, count))]
    else:
        things = draw.sample(items(), draw.randint(3, 8))
        entries = [thing.zh if chinese and operation != "alphabetical" else thing.en for thing in things]
    if operation == "unique":
        entries += draw.choices(entries, k=draw.randint(1, 4))
        draw.shuffle(entries)
    separator = draw.choice(("、", "，", "\n") if chinese else (", ", "; ", "\n"))
    place, other = draw.randint(1, len(entries)), draw.choice(items())
    entry = (other.zh if chinese else other.en) if operation == "append" else entries[place - 1]
    if operation == "append" and entry in entries:
        return None
    answer = _done(operation, entries, separator, entry)
    asked = draw.choice(asks[operation][language]).format(k=place, v=entry)
    stop = "？" if any(word in asked for word in ("什么", "多少", "几", "哪")) else "。"
    asked = f"{asked}{stop}" if chinese else capital(asked if asked.endswith("?") else f"{asked}.")
    question = (asked + ("" if chinese else " ") + draw.choice(table("lists")["only"][language])).strip()
    listed = separator.join(entries)
    prompt = draw.choice((f"{question}\n{listed}", f"{listed}\n\n{question}", f"{question}\n\n{listed}"))
    return Example.of("lists", language, prompt, answer, answer, draw)


def _done(operation: str, entries: list[str], separator: str, entry: str) -> str:
    numbers = sorted(map(int, entries)) if operation in OF_NUMBERS else []
    by_name: Mapping[str, Callable[[], str]] = {
        "ascending": lambda: separator.join(map(str, numbers)),
        "descending": lambda: separator.join(map(str, reversed(numbers))),
        "largest": lambda: str(numbers[-1]),
        "smallest": lambda: str(numbers[0]),
        "total": lambda: str(sum(numbers)),
        "alphabetical": lambda: separator.join(sorted(entries)),
        "reversed": lambda: separator.join(reversed(entries)),
        "unique": lambda: separator.join(dict.fromkeys(entries)),
        "count": lambda: str(len(entries)),
        "nth": lambda: entry,
        "last": lambda: entries[-1],
        "remove": lambda: separator.join(e for e in entries if e != entry),
        "append": lambda: separator.join([*entries, entry]),
        "json": lambda: json.dumps(entries, ensure_ascii=False, separators=(",", ":")),
        "numbered": lambda: "\n".join(f"{number}. {e}" for number, e in enumerate(entries, 1)),
    }
    return by_name[operation]()
