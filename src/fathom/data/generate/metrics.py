"""Questions about business figures as a query: a metric that is listed, dimensions, conditions, a period, an order.

What is listed stands in the system message or above the question. A metric that isn't listed is said to be none.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .format import number
from .values import MONTHS, value
from .words import Example, capital, table

__all__ = ["NONE", "sample"]

NONE = {"error": "no such metric"}
UNKNOWN = 0.15  # share of questions about a metric that isn't listed
SHAPES: Mapping[str, tuple[int, str | None, int | None]] = {  # dimensions, order, limit (0: the number that is said)
    "value": (0, None, None),
    "by": (1, None, None),
    "two": (2, None, None),
    "top": (1, "desc", 0),
    "bottom": (1, "asc", 0),
    "best": (1, "desc", 1),
    "worst": (1, "asc", 1),
}


class Dimension(NamedTuple):
    key: str
    name: str
    plural: str
    values: tuple[str, ...]  # of time: none


def sample(draw: random.Random, language: str) -> Example | None:
    side = int(language == "en")
    domain = draw.choice(list(table("metrics")["domains"].values()))
    known = draw.sample(domain["metrics"], draw.randint(3, 6))
    dimensions = [
        _dimension(draw, language, row) for row in draw.sample(domain["dimensions"], min(len(domain["dimensions"]), 4))
    ]
    missing = draw.random() < UNKNOWN
    metric = draw.choice([row for row in domain["metrics"] if row not in known] if missing else known)
    shape = draw.choice(list(SHAPES))
    by, order, limit = SHAPES[shape]
    pool = [d for d in dimensions if d.values or not order]
    if len(pool) < by:
        return None
    groups = draw.sample(pool, by)
    filters, condition = _filters(draw, language, [d for d in dimensions if d.values and d not in groups])
    period, when = _period(draw, language) if draw.random() < 0.8 else (None, "")
    named = draw.random() < 0.5  # whether other names are listed, and may be said
    said = metric[1 + side] if missing or not named or draw.random() < 0.6 else metric[3 + side]
    if limit == 0:
        limit = draw.randint(2, 10)
    fields = {"p": when, "f": condition, "m": said, "n": number(draw, language, limit or 2)}
    fields |= {"g": groups[0].name, "G": groups[0].plural} if by else {}
    fields |= {"h": groups[1].name} if by == 2 else {}
    question = _question(draw, language, shape, fields)
    query = {
        **{"metric": metric[0], "group_by": [d.key for d in groups], "filters": filters},
        **{"period": period, "order": order, "limit": limit},
    }
    answer = json.dumps(NONE if missing else query, ensure_ascii=False, separators=(",", ":"))
    listing = _listing(draw, language, domain[language], known, dimensions, named)
    above = (("system", listing),) if draw.random() < 0.7 else ()
    asked = question if above else f"{listing}\n\n{question}"
    return Example("metrics", language, (*above, ("user", asked), ("assistant", answer)), answer)


def _dimension(draw: random.Random, language: str, row: Sequence[Any]) -> Dimension:
    values = row[5 if language == "en" else 4]
    if values == "city":
        values = [value(draw, language, "city") for _ in range(4)]
    name = row[2 if language == "en" else 1]
    return Dimension(row[0], name, row[3], tuple(dict.fromkeys(values)))


def _filters(draw: random.Random, language: str, pool: Sequence[Dimension]) -> tuple[list[dict[str, Any]], str]:
    """None, one or two conditions, and how they are said."""
    wordings = table("metrics")["filters"][language]
    filters: list[dict[str, Any]] = []
    said = ""
    for dimension in draw.sample(pool, min(len(pool), draw.choices((0, 1, 2), (45, 42, 13))[0])):
        kind = draw.choices(("=", "!=", "in"), (75, 13, 12 if len(dimension.values) > 2 else 0))[0]
        first, second = draw.sample(dimension.values, 2)
        filters.append({"dim": dimension.key, "op": kind, "value": [first, second] if kind == "in" else first})
        said += draw.choice(wordings[kind]).format(d=dimension.name, v=first, w=second)
    return filters, said.replace("的", "且", len(filters) - 1) if language == "zh" else said


def _period(draw: random.Random, language: str) -> tuple[str, str]:
    """A period as it is written and as it is said."""
    chinese = language == "zh"
    year, month, quarter = draw.randint(2021, 2026), draw.randint(1, 12), draw.randint(1, 4)
    match draw.randrange(8):
        case 0:
            return str(year), f"{year}年" if chinese else f" in {year}"
        case 1:
            shown = ("{}年第{}季度", "{}年Q{}") if chinese else (" in Q{1} {0}", " in quarter {1} of {0}")
            return f"{year}-Q{quarter}", draw.choice(shown).format(year, quarter)
        case 2:
            half = draw.randint(1, 2)
            said = (
                f"{year}年{'上下'[half - 1]}半年"
                if chinese
                else f" in the {('first', 'second')[half - 1]} half of {year}"
            )
            return f"{year}-H{half}", said
        case 3:
            return f"{year}-{month:02}", f"{year}年{month}月" if chinese else f" in {MONTHS[month - 1]} {year}"
    periods = table("metrics")["periods"]
    name = draw.choice(list(periods))
    return name, draw.choice(periods[name][language])


def _question(draw: random.Random, language: str, shape: str, fields: Mapping[str, Any]) -> str:
    texts = table("metrics")["texts"][language]
    asked = draw.choice(table("metrics")["ask"][shape][language]).format(**fields).rstrip("，")
    question = draw.choice(texts["before"]) + asked
    if question[-1] not in "？?":
        question += draw.choice(("", "", "。" if language == "zh" else "."))
    return capital(question) if draw.random() < 0.6 else question


def _listing(
    draw: random.Random,
    language: str,
    domain: str,
    metrics: Sequence[Sequence[str]],
    dimensions: Sequence[Dimension],
    named: bool,
) -> str:
    """The metrics and dimensions there are, and the form of the query."""
    texts, side = table("metrics")["texts"][language], int(language == "en")
    valued = draw.random() < 0.6
    match draw.randrange(3):
        case 0:
            other = f" ({texts['also']}: {{}})" if named else ""
            rows = [f"- {m[0]}: {m[1 + side]}" + other.format(m[3 + side]) for m in metrics]
            columns = [
                f"- {d.key}: {d.name}" + (f" [{', '.join(d.values)}]" if valued and d.values else "")
                for d in dimensions
            ]
        case 1:
            rows = [" | ".join([m[0], m[1 + side], *([m[3 + side]] if named else [])]) for m in metrics]
            columns = [
                " | ".join([d.key, d.name, *(["/".join(d.values)] if valued and d.values else [])]) for d in dimensions
            ]
        case _:
            rows = [f"{m[0]} = {m[1 + side]}" + (f", {m[3 + side]}" if named else "") for m in metrics]
            columns = [
                f"{d.key} = {d.name}" + (f": {', '.join(d.values)}" if valued and d.values else "") for d in dimensions
            ]
    return str(
        draw.choice(texts["layout"])
        .replace("{metrics}", "\n".join(rows))
        .replace("{dimensions}", "\n".join(columns))
        .replace("{domain}", domain)
        .replace("{rules}", draw.choice(texts["rules"]))
    )
