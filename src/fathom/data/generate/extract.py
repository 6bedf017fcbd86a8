"""Messages of customers, and fields to be extracted from them as one line of JSON; what isn't said is null."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from .values import value
from .words import Example, capital, table

__all__ = ["sample"]

MISSING = 0.25  # share of asked fields that the message doesn't give


def sample(draw: random.Random, language: str) -> Example | None:
    fields, texts = table("extract")["fields"], table("extract")["texts"][language]
    asked = draw.sample(list(fields), draw.randint(2, 6))
    given = [name for name in asked if draw.random() >= MISSING]
    others = draw.sample([name for name in fields if name not in asked], draw.randint(0, 2))  # said, not asked for
    if not given:
        return None
    found: dict[str, Any] = {}
    sentences = []
    for name in draw.sample([*given, *others], len(given) + len(others)):
        found[name] = value(draw, language, fields[name]["kind"])
        sentences.append(draw.choice(fields[name][language]["say"]).replace("{v}", found[name]))
    keys = {name: draw.choice(fields[name][language]["keys"]) for name in asked}
    facts = {keys[name]: _typed(fields[name]["kind"], found.get(name)) for name in asked}
    answer = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    text, listed = _message(draw, language, sentences), _listed(draw, language, keys.values())
    prompt = draw.choice(texts["ask"]).format(keys=listed, text=text)
    if None in facts.values() or draw.random() < 0.5:
        prompt += ("\n" if draw.random() < 0.5 else "" if language == "zh" else " ") + draw.choice(texts["absent"])
    return Example.of("extract", language, prompt, answer, answer, draw)


def _typed(kind: str, said: str | None) -> str | int | None:
    """Counts are numbers, all else is text as it was written."""
    return int(said) if said is not None and re.fullmatch(r"\d+-\d+", kind) else said


def _listed(draw: random.Random, language: str, keys: Any) -> str:
    return draw.choice(("、", ", ") if language == "zh" else (", ", " | ")).join(keys)


def _message(draw: random.Random, language: str, sentences: list[str]) -> str:
    texts = table("extract")["texts"][language]
    if language == "zh":
        body = draw.choice(("，", "。", "；")).join(sentences) + ("。" if sentences else "")
    else:
        body = " ".join(capital(sentence) + "." for sentence in sentences)
    return str(draw.choice(texts["open"]) + body + draw.choice(texts["close"])).strip()
