"""Fields of messages and notes as one line of JSON, under the names the user gives them; what isn't said is null."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .values import value
from .words import Example, article, capital, table

__all__ = ["sample"]

MISSING = 0.25  # share of asked fields that a message doesn't give
NOTES = 0.55  # share of short texts about something else than a customer's wish
UNTOLD = 0.15  # share of requests with something missing that don't say what to write then
_SLOT = re.compile(r"{(\w+)}")
Found = dict[str, str]  # field: value as it is written


def sample(draw: random.Random, language: str) -> Example | None:
    texts, fields = table("extract")["texts"][language], table("extract")["fields"]
    drawn = (_note if draw.random() < NOTES else _message)(draw, language)
    if drawn is None:
        return None
    text, found, asked = drawn
    style = draw.choices(("plain", "ask", "schema"), (6, 3, 1))[0]
    names = {field: _named(draw, fields[field][language]["keys"], style) for field in asked}
    if len(set(names.values())) < len(names):
        return None
    facts = {names[field]: _typed(fields[field]["kind"], found.get(field)) for field in asked}
    answer = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    listed = _spoken(draw, language, list(facts)) if style == "plain" else _listed(draw, language, facts)
    empty = json.dumps(dict.fromkeys(facts, ""), ensure_ascii=False)
    prompt = draw.choice(texts[style]).format(keys=listed, text=text, schema=empty)
    if draw.random() < (1 - UNTOLD if None in facts.values() else 0.3):
        space = " " if language == "en" else "" if prompt[-1] in "。！？：" else "，"
        prompt += draw.choice(("\n", space)) + draw.choice(texts["absent"])
    return Example.of("extract", language, prompt, answer, answer, draw)


def _note(draw: random.Random, language: str) -> tuple[str, Found, list[str]] | None:
    """A sentence or two, what they say, and the fields asked for in the order of the question."""
    fields = table("extract")["fields"]
    note = draw.choice(table("extract")["notes"])
    pattern = draw.choice(note[language])
    found = {field: value(draw, language, fields[field]["kind"]) for field in _SLOT.findall(pattern)}
    if any(a in b for x, a in found.items() for y, b in found.items() if x != y):
        return None
    others = [field for field in note["fields"] if field not in found]
    asked = draw.sample(list(found), draw.randint(1, min(4, len(found))))
    if "time" in asked and "date" in found and "date" not in asked:
        asked.append("date")  # else the time might be both
    if others and draw.random() < 0.3:
        asked += draw.sample(others, draw.choice((1, 1, min(2, len(others)))))
        draw.shuffle(asked)
    text = pattern.format(**found)
    return (article(text) if language == "en" else text), found, asked


def _message(draw: random.Random, language: str) -> tuple[str, Found, list[str]] | None:
    """What a customer writes, what is said in it, and the fields asked for."""
    fields, texts = table("extract")["fields"], table("extract")["texts"][language]
    known = [field for field in fields if "say" in fields[field][language]]
    asked = draw.sample(known, draw.randint(2, 6))
    given = [field for field in asked if draw.random() >= MISSING]
    others = draw.sample([field for field in known if field not in asked], draw.randint(0, 2))  # said, not asked for
    if not given:
        return None
    found, sentences = {}, []
    for field in draw.sample([*given, *others], len(given) + len(others)):
        found[field] = value(draw, language, fields[field]["kind"])
        sentences.append(draw.choice(fields[field][language]["say"]).replace("{v}", found[field]))
    if language == "zh":
        body = draw.choice(("，", "。", "；", " ")).join(sentences) + "。"
    else:
        body = " ".join(capital(sentence) + "." for sentence in sentences)
    return (draw.choice(texts["open"]) + body + draw.choice(texts["close"])).strip(), found, asked


def _typed(kind: str, said: str | None) -> str | int | None:
    """Counts are numbers, all else is text as it was written."""
    return int(said) if said is not None and re.fullmatch(r"\d+-\d+", kind) else said


def _named(draw: random.Random, keys: Sequence[str], style: str) -> str:
    """In plain requests as one says it: the first name more often, no underscores."""
    return draw.choice((keys[0], *keys)).replace("_", " ") if style == "plain" else draw.choice(keys)


def _spoken(draw: random.Random, language: str, names: list[str]) -> str:
    """ "the date and the place", "时间、地点和价格"; now and then only commas."""
    chinese = language == "zh"
    if not chinese and draw.random() < 0.7:
        names = [name if name in ("from", "to", "when") else f"the {name}" for name in names]
    comma = draw.choice(("、", "、", "，")) if chinese else ", "
    if len(names) < 2 or draw.random() < 0.25:
        return comma.join(names)
    last = draw.choice(("和", "和", "与", "以及")) if chinese else " and "
    return comma.join(names[:-1]) + last + names[-1]


def _listed(draw: random.Random, language: str, names: Mapping[str, Any]) -> str:
    return draw.choice(("、", ", ", "，") if language == "zh" else (", ", " | ", "; ")).join(names)
