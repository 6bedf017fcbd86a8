"""Word problems with their steps, from the patterns in ``arithmetic.toml``, and problems of clock times."""

from __future__ import annotations

import ast
import operator
import random
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from .sums import multiply
from .words import Example, Item, article, capital, items, person, table

__all__ = ["evaluate", "problem", "sample", "written"]

PROMPTS = {
    "zh": (
        *(
            "{}",
            "{}",
            "{}",
            "{}",
            "{}请写出步骤。",
            "{}写出步骤。",
            "{}要有过程。",
            "{}怎么算？",
            "{}列式计算。",
            "{}算给我看。",
        ),
        *(
            "应用题：{}",
            "算一算：{}",
            "请解题：{}",
            "帮我算算：{}",
            "数学题：{}",
            "{}最后一行写“答案：”。",
            "{}一步一步算。",
        ),
    ),
    "en": (
        *("{}", "{}", "{}", "{}", "{} Show the steps.", "{} Show your working.", "{} Explain step by step."),
        *(
            "Word problem: {}",
            "Solve: {}",
            "Problem: {}",
            "Please work this out. {}",
            "Maths homework: {}",
            "Help me with this: {}",
        ),
        *('{} End with "Answer:".', "{} How do I work it out?", "{} Write the calculation.", "Quick sum: {}"),
    ),
}
ANSWER = {"zh": "答案：", "en": "Answer: "}
CLOCKS = 0.05  # share of clock times
FINITE = (1, 2, 4, 5, 10, 20, 25, 50, 100)  # denominators of what two decimals can write
_OPERATORS: Mapping[type[ast.operator], Any] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub},
    **{ast.Mult: operator.mul, ast.Div: operator.truediv},
}
_RANGE = re.compile(r"(-?\d+)-(\d+)(?: (tens|fives|hundreds))?")


def sample(draw: random.Random, language: str) -> Example | None:
    if draw.random() < CLOCKS:
        question, steps, answer = _clock(draw, language)
    else:
        found = problem(draw, language, draw.choice(table("arithmetic")["problem"]))
        if found is None:
            return None
        question, steps, answer = found
    if len(steps) > 1 and draw.random() < 0.4:
        steps = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    reply = "\n".join([*steps, ANSWER[language] + answer])
    return Example.of("arithmetic", language, draw.choice(PROMPTS[language]).format(question), reply, answer, draw)


def evaluate(expression: str, values: Mapping[str, Fraction]) -> Fraction:
    """The value of sums, differences, products and quotients of names and whole numbers, exactly."""

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
                result: Fraction = _OPERATORS[type(op)](value(left), value(right))
                return result
            case ast.Name(name):
                return values[name]
            case ast.Constant(int(number)):
                return Fraction(number)
        raise ValueError(f"{ast.unparse(node)} in {expression!r}")

    return value(_parsed(expression))


@cache
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def written(number: Fraction) -> str:
    """1/4 -> "0.25", 3 -> "3"."""
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.2f}".rstrip("0")


def problem(draw: random.Random, language: str, pattern: Mapping[str, Any]) -> tuple[str, list[str], str] | None:
    """Question, steps and answer of a pattern, or None where the numbers drawn don't come out well."""
    first, second = draw.sample(items(), 2)
    names = {"w": person(draw, language), "x": person(draw, language)}
    if names["w"] in names["x"] or names["x"] in names["w"]:
        return None
    values = {}
    for key, kind in pattern["numbers"].items():
        item = second if kind == "second price" else first
        if kind.endswith(("price", "price tens")):
            kind = f"{item.cheapest}-{item.dearest}{kind.removeprefix('second ').removeprefix('price')}"
        values[key] = Fraction(_drawn(draw, kind))
    for line in pattern.get("hidden", ()):
        name, expression = line.split(" = ")
        values[name] = evaluate(expression, values)
    if any(v.denominator != 1 or (v <= 0 and not _is_offset(pattern, k)) for k, v in values.items()):
        return None
    labelled, steps = draw.random() < 0.6, []
    for line in pattern["steps"]:
        name, expression, zh, en = re.split(r" = |: | \| ", line)
        result = values[name] = evaluate(expression, values)
        if result <= 0 or result.denominator not in FINITE:
            return None
        label = _filled(zh if language == "zh" else en, names, first, second)
        shown = _worked(expression, values, result)
        steps.append(capital(label) + ("：" if language == "zh" else ": ") + shown if labelled else shown)
    numbers = {key: written(number) for key, number in values.items()}
    question = _filled(draw.choice(pattern[language]), {**names, **numbers}, first, second)
    return (question if language == "zh" else article(capital(question))), steps, written(result)


def _drawn(draw: random.Random, kind: str) -> int:
    """Half of the numbers come from the lowest quarter of their range: small ones are what people count with."""
    match = _RANGE.fullmatch(kind)
    assert match is not None, kind
    low, high = int(match[1]), int(match[2])
    number = draw.randint(low, high) if low < 0 else low + int((high - low + 1) * draw.random() ** 2)
    unit = {"tens": 10, "fives": 5, "hundreds": 100, None: 1}[match[3]]
    return max(number // unit * unit, unit) if unit > 1 else number


def _is_offset(pattern: Mapping[str, Mapping[str, str]], name: str) -> bool:
    """Whether it may be negative: a difference to something else, such as a score to the average."""
    return pattern["numbers"].get(name, "").startswith("-")


def _worked(expression: str, values: Mapping[str, Fraction], result: Fraction) -> str:
    """The step with its result; a product of two long numbers by its parts: 24 × 37 = 720 + 168 = 888."""
    shown = _shown(expression, values)
    factors = re.fullmatch(r"([1-9]{2,}) × ([1-9]{2,})", shown)
    if factors is None:
        return f"{shown} = {written(result)}"
    steps = multiply(int(factors[1]), int(factors[2]))
    products = [step.split(" = ") for step in steps[: min(map(len, factors.groups()))]]
    return " = ".join([shown, *(" + ".join(parts) for parts in zip(*products, strict=True)), written(result)])


def _shown(expression: str, values: Mapping[str, Fraction]) -> str:
    """ "s*r/100" -> "240 × 15 ÷ 100"."""
    numbers = re.sub(r"[a-z]\w*", lambda m: written(values[m[0]]), expression)
    return re.sub(r"[-+*/]", lambda m: f" {'×÷+-'['*/+-'.index(m[0])]} ", numbers)


def _filled(pattern: str, fields: Mapping[str, str], thing: Item, other: Item) -> str:
    goods = {"i": thing.zh, "m": thing.measure, "i1": thing.en, "I": thing.plural}
    goods |= {"j": other.zh, "mj": other.measure, "J": other.plural}
    return pattern.format(**{**goods, **fields})


def _clock(draw: random.Random, language: str) -> tuple[str, list[str], str]:
    """When does it end, or how long does it take; within one day."""
    start = 60 * draw.randint(6, 17) + 5 * draw.randint(0, 11)
    hours, minutes = draw.randint(1, 4), 5 * draw.randint(1, 11)
    end = start + 60 * hours + minutes
    times = {"s": _time(start), "e": _time(end), "h": hours, "m": minutes, "w": person(draw, language)}
    kind = draw.choice(("clock", "span"))
    question = draw.choice(table("arithmetic")["clock"][f"{kind}_{language}"]).format(**times)
    if kind == "clock":
        units = ("小时", "分钟") if language == "zh" else (" h", " min")
        middle = start + 60 * hours
        steps = [
            f"{_time(start)} + {hours}{units[0]} → {_time(middle)}",
            f"{_time(middle)} + {minutes}{units[1]} → {_time(end)}",
        ]
        return question, steps, _time(end)
    steps = [f"{t // 60} × 60 + {t % 60} = {t}" for t in (start, end)] + [f"{end} - {start} = {end - start}"]
    return question, steps, str(end - start)


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
