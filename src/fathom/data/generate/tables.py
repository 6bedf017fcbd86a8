"""Questions about a small table: look up, compare, count, add up; the answer is computed from the rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .values import VALUES
from .words import Example, capital, table

__all__ = ["Question", "Table", "answer", "sample"]

SHORT = {
    "zh": ("只回答数值或名称。", "只给结果。", "直接给答案。", "不要解释。", "只写答案"),
    "en": (
        "Only the result, please.",
        "Answer with the value only.",
        "Just the answer.",
        "No explanation.",
        "Short answer.",
    ),
}
LONG = {
    "zh": ("", "", "用一句话回答。", "请说明。"),
    "en": ("", "", "Answer in one sentence.", "Please write a sentence."),
}
LAYOUT = {
    "zh": (
        *("{table}\n\n{question}", "{table}\n{question}", "{question}\n\n{table}", "{question}\n{table}"),
        *("表格：\n{table}\n\n问题：{question}", "看表回答：{question}\n{table}", "根据下表，{question}\n\n{table}"),
        *("有这样一张表：\n{table}\n{question}", "数据：\n{table}\n\n{question}", "请看表格\n{table}\n{question}"),
    ),
    "en": (
        *("{table}\n\n{question}", "{table}\n{question}", "{question}\n\n{table}", "{question}\n{table}"),
        *("Table:\n{table}\n\nQuestion: {question}", "Answer from the table.\n{table}\n{question}"),
        *(
            "Here is a table:\n{table}\n\n{question}",
            "Data:\n{table}\n\n{question}",
            "Look at the table.\n{table}\n{question}",
        ),
    ),
}
ROWS = (3, 3, 3, 4, 4, 5, 5, 6, 7, 8)


@dataclass(frozen=True)
class Table:
    """``header[0]`` names the rows; ``numbers`` and ``kinds`` are the columns of each sort."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    kinds: tuple[int, ...]

    def column(self, index: int) -> list[int]:
        return [int(row[index]) for row in self.rows]


@dataclass(frozen=True)
class Question:
    """``operation`` on a column; ``first`` and ``second`` are rows, ``kind`` and ``value`` a condition."""

    operation: str
    column: int
    first: int = 0
    second: int = 1
    kind: int = 0
    value: str = ""
    bound: int = 0


def answer(of: Table, asked: Question) -> str | None:
    """The answer, or None where there isn't just one."""
    if asked.operation == "catof":
        return of.rows[asked.first][asked.kind]
    numbers = of.column(asked.column)
    chosen = [n for n, row in zip(numbers, of.rows, strict=True) if row[asked.kind] == asked.value]
    one, other = numbers[asked.first], numbers[asked.second]
    match asked.operation:
        case "lookup":
            return str(one)
        case "max" | "min" | "first":
            order = sorted(range(len(numbers)), key=lambda i: numbers[i], reverse=asked.operation != "min")
            ranks = [numbers[i] for i in order]
            place = 1 if asked.operation == "first" else 0  # `first` asks for the second
            return of.rows[order[place]][0] if ranks.count(ranks[place]) == 1 else None
        case "cmp":
            return None if one == other else of.rows[asked.first if one > other else asked.second][0]
        case "diff":
            return str(one - other) if one > other else None
        case "sum":
            return str(sum(numbers))
        case "sumif":
            return str(sum(chosen)) if chosen else None
        case "count":
            return str(len(chosen))
        case "count_gt":
            return str(sum(n > asked.bound for n in numbers))
        case "count_lt":
            return str(sum(n < asked.bound for n in numbers))
        case "rows":
            return str(len(numbers))
    raise ValueError(asked.operation)


def sample(draw: random.Random, language: str) -> Example | None:
    of = _table(draw, language)
    asked = _question(draw, of)
    if asked is None or (result := answer(of, asked)) is None:
        return None
    patterns = table("tables")["questions"][asked.operation]
    names = {
        "h": of.header[0],
        "c": of.header[asked.column],
        "k": of.header[asked.kind],
        "e": of.rows[asked.first][0],
        "f": of.rows[asked.second][0],
        "v": asked.value,
        "n": asked.bound,
    }
    short = draw.random() < 0.6
    question = capital(draw.choice(patterns[language]).format(**names))
    rule = draw.choice((SHORT if short else LONG)[language])
    question += "" if question[-1] in "？?.。" else "。"
    question = (question + ("" if language == "zh" else " ") + rule).strip()
    told = patterns["answer"][language].format(a=result, is_="is" if result == "1" else "are", **names)
    prompt = draw.choice(LAYOUT[language]).format(table=_drawn(draw, of), question=question)
    stop = "，" if language == "zh" else ". "
    reply = result if short else stop.join([*_working(of, asked, result), capital(told)])
    return Example.of("tables", language, prompt, reply, result, draw)


def _working(of: Table, asked: Question, result: str) -> list[str]:
    """The sum or difference that gives the answer, if there is one."""
    numbers = of.column(asked.column)
    match asked.operation:
        case "sum":
            parts = numbers
        case "sumif":
            parts = [n for n, row in zip(numbers, of.rows, strict=True) if row[asked.kind] == asked.value]
        case "diff":
            return [f"{numbers[asked.first]} - {numbers[asked.second]} = {result}"]
        case _:
            return []
    return [f"{' + '.join(map(str, parts))} = {result}"] if len(parts) > 1 else []


def _table(draw: random.Random, language: str) -> Table:
    kind, side = draw.choice(table("tables")["tables"]), language == "en"
    names: list[str] = []
    for _ in range(draw.choice(ROWS)):
        rows = kind["rows"]
        name = VALUES[rows](draw, language) if isinstance(rows, str) else draw.choice(rows)[side]
        if not any(name in other or other in name for other in names):
            names.append(name)
    numbers = draw.sample(kind["numbers"], draw.randint(1, min(3, len(kind["numbers"]))))
    kinds = draw.sample(kind["kinds"], draw.choice((0, 1, 1)))
    columns: list[tuple[str, Sequence[Any]]] = [(c[side], c[2:]) for c in numbers]
    columns += [(c[side], [value[side] for value in c[2]]) for c in kinds]
    order = draw.sample(range(len(columns)), len(columns))
    cells = [
        tuple(str(draw.randint(*columns[i][1])) if i < len(numbers) else str(draw.choice(columns[i][1])) for i in order)
        for _ in names
    ]
    places = {i: place for place, i in enumerate(order, 1)}
    return Table(
        header=(kind[language], *(columns[i][0] for i in order)),
        rows=tuple((name, *row) for name, row in zip(names, cells, strict=True)),
        numbers=tuple(places[i] for i in range(len(numbers))),
        kinds=tuple(places[i] for i in range(len(numbers), len(columns))),
    )


def _question(draw: random.Random, of: Table) -> Question | None:
    operation = draw.choice(list(table("tables")["questions"]))
    column = draw.choice(of.numbers)
    if len(of.rows) < 3 or (operation in ("count", "catof", "sumif") and not of.kinds):
        return None
    first, second = draw.sample(range(len(of.rows)), 2)
    kind = draw.choice(of.kinds) if of.kinds else 0
    bound = draw.choice(of.column(column)) + draw.choice((-1, 0, 1, 5))
    return Question(operation, column, first, second, kind, draw.choice(of.rows)[kind] if kind else "", bound)


def _drawn(draw: random.Random, of: Table) -> str:
    """As Markdown, with tabs or with commas."""
    lines = [of.header, *of.rows]
    match draw.randrange(3):
        case 0:
            lines.insert(1, ("---",) * len(of.header))
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case 1:
            return "\n".join("\t".join(line) for line in lines)
        case _:
            return "\n".join(",".join(line) for line in lines)
