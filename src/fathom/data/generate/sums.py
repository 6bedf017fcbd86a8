"""Bare sums with the steps one takes on paper: by places, partial products, long division, products before sums.

Small numbers come far more often than large ones: they are what people ask, and what the large ones are made of.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from .words import Example

__all__ = ["multiply", "sample"]

ASK = {
    "zh": (
        *(
            "{} = ?",
            "{}=",
            "{}",
            "{}等于几？",
            "{}等于多少？",
            "{}是多少",
            "计算：{}",
            "算一下{}。",
            "帮我算{}",
            "求{}的结果。",
        ),
        *("{}得多少？", "口算：{}", "请计算{}", "{}是多少？写出步骤。", "列出过程：{}", "问：{}=？"),
    ),
    "en": (
        *("{} = ?", "{}=", "{}", "What is {}?", "what's {}", "Work out {}.", "Calculate {}.", "How much is {}?", "{}?"),
        *("Please compute {}.", "Find {}.", "Solve: {}", "{} equals what?", "How much is {}? Show the steps."),
        *("Work through {} step by step.", "compute {}"),
    ),
}
ANSWER = {"zh": "答案：", "en": "Answer: "}
REMAINDER = {"zh": "{} 余 {}", "en": "{} remainder {}"}
WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "zh": {"+": ("{}加{}", "{}加上{}"), "-": ("{}减{}", "{}减去{}"), "×": ("{}乘以{}", "{}乘{}"), "÷": ("{}除以{}",)},
    "en": {
        **{"+": ("{} plus {}",), "-": ("{} minus {}",), "×": ("{} times {}", "{} multiplied by {}")},
        "÷": ("{} divided by {}",),
    },
}
TYPED = {"×": "××*x", "÷": "÷÷/", "+": "+", "-": "-"}  # as one finds them on a keyboard
SIZES, WEIGHTS = (10, 20, 100, 1000, 10_000), (4, 4, 6, 2, 1)  # of numbers to add, and how often


def sample(draw: random.Random, language: str) -> Example:
    sign = draw.choice("++--××÷÷m")
    if sign == "m":
        shown, steps, answer = _mixed(draw)
    else:
        a, b = _numbers(draw, sign)
        steps, answer = _done(sign, a, b, language)
        if draw.random() < 0.2:
            shown = draw.choice(WORDS[language][sign]).format(a, b)
        else:
            space = draw.choice((" ", ""))
            shown = f"{a}{space}{draw.choice(TYPED[sign])}{space}{b}"
    reply = "\n".join([*steps, ANSWER[language] + answer])
    return Example.of("sums", language, draw.choice(ASK[language]).format(shown), reply, answer, draw)


def _numbers(draw: random.Random, sign: str) -> tuple[int, int]:
    if sign in "+-":
        highest = draw.choices(SIZES, WEIGHTS)[0]
        a, b = (draw.randint(1, highest) for _ in range(2))
        return (max(a, b), min(a, b)) if sign == "-" else (a, b)
    if sign == "×":
        return draw.randint(2, draw.choice((9, 9, 12, 30, 99, 400))), draw.randint(2, draw.choice((9, 9, 9, 12, 60)))
    b, quotient = draw.randint(2, draw.choice((9, 9, 9, 25))), draw.randint(2, draw.choice((9, 12, 30, 99, 200)))
    return b * quotient + (draw.randint(1, b - 1) if draw.random() < 0.3 else 0), b


def _done(sign: str, a: int, b: int, language: str) -> tuple[list[str], str]:
    """The steps and the answer."""
    match sign:
        case "+":
            return _add(a, b), str(a + b)
        case "-":
            return _subtract(a, b), str(a - b)
        case "×":
            return multiply(a, b), str(a * b)
    quotient, rest = divmod(a, b)
    return _divide(a, b), str(quotient) if not rest else REMAINDER[language].format(quotient, rest)


def _mixed(draw: random.Random) -> tuple[str, list[str], str]:
    """Three small numbers: a + b × c, a × b - c, a + b - c, (a + b) × c; nothing below zero on the way."""
    a, b, c = (draw.randint(2, draw.choice((9, 12, 30))) for _ in range(3))
    if draw.random() < 0.3:
        return f"({a} + {b}) × {c}", [f"{a} + {b} = {a + b}", f"{a + b} × {c} = {(a + b) * c}"], str((a + b) * c)
    if draw.random() < 0.5:
        product = f"{b} × {c} = {b * c}"
        if a > b * c and draw.random() < 0.5:
            return f"{a} - {b} × {c}", [product, f"{a} - {b * c} = {a - b * c}"], str(a - b * c)
        return f"{a} + {b} × {c}", [product, f"{a} + {b * c} = {a + b * c}"], str(a + b * c)
    c = min(c, a + b)
    return f"{a} + {b} - {c}", [f"{a} + {b} = {a + b}", f"{a + b} - {c} = {a + b - c}"], str(a + b - c)


def _add(a: int, b: int) -> list[str]:
    """One place of the second number after the other: 348 + 57: 348 + 50 = 398, 398 + 7 = 405."""
    steps = []
    for part in _places(b):
        steps.append(f"{a} + {part} = {a + part}")
        a += part
    return steps


def _subtract(a: int, b: int) -> list[str]:
    steps = []
    for part in _places(b):
        steps.append(f"{a} - {part} = {a - part}")
        a -= part
    return steps


def multiply(a: int, b: int) -> list[str]:
    """Partial products of the places of the larger number, then their sum."""
    large, small = max(a, b), min(a, b)
    if small > 10 and large > 10:
        places = [(large, part) for part in _places(small)]
    else:
        places = [(part, small) for part in _places(large)]
    steps = [f"{x} × {y} = {x * y}" for x, y in places]
    total = places[0][0] * places[0][1]
    for x, y in places[1:]:
        steps.append(f"{total} + {x * y} = {total + x * y}")
        total += x * y
    return steps


def _divide(a: int, b: int) -> list[str]:
    """Hundreds, tens and ones of the quotient: 161 ÷ 7: 7 × 20 = 140, 161 - 140 = 21, 7 × 3 = 21, 21 - 21 = 0."""
    steps = []
    for part in _places(a // b):
        steps += [f"{b} × {part} = {b * part}", f"{a} - {b * part} = {a - b * part}"]
        a -= b * part
    return steps


def _places(number: int) -> list[int]:
    """407 -> [400, 7]."""
    digits = str(number)
    return [int(digit) * 10 ** (len(digits) - 1 - i) for i, digit in enumerate(digits) if digit != "0"]
