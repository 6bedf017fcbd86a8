"""Bare sums with the steps one takes on paper: by places, partial products, and long division with its remainder."""

from __future__ import annotations

import random
from collections.abc import Mapping

from .words import Example

__all__ = ["sample"]

ASK = {
    "zh": ("{} = ?", "计算：{}", "{}等于多少？", "算一下{}。", "{}", "{}是多少？写出步骤。"),
    "en": ("{} = ?", "What is {}?", "Work out {}.", "Calculate {}.", "{}", "How much is {}? Show the steps."),
}
ANSWER = {"zh": "答案：", "en": "Answer: "}
REMAINDER = {"zh": "{} 余 {}", "en": "{} remainder {}"}
WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "zh": {"+": ("{}加{}",), "-": ("{}减{}",), "×": ("{}乘以{}", "{}乘{}"), "÷": ("{}除以{}",)},
    "en": {"+": ("{} plus {}",), "-": ("{} minus {}",), "×": ("{} times {}",), "÷": ("{} divided by {}",)},
}


def sample(draw: random.Random, language: str) -> Example:
    sign = draw.choice("+-×÷")
    if sign in "+-":
        a, b = (draw.randint(2, 10 ** draw.randint(1, 4)) for _ in range(2))
        a, b = (max(a, b), min(a, b)) if sign == "-" else (a, b)
        steps, answer = (_add(a, b), str(a + b)) if sign == "+" else (_subtract(a, b), str(a - b))
    elif sign == "×":
        a, b = draw.randint(2, 10 ** draw.randint(1, 3)), draw.randint(2, draw.choice((9, 9, 99)))
        steps, answer = _multiply(a, b), str(a * b)
    else:
        b, quotient = draw.randint(2, draw.choice((9, 9, 25))), draw.randint(2, draw.choice((12, 99, 300)))
        a = b * quotient + (draw.randint(1, b - 1) if draw.random() < 0.4 else 0)
        steps = _divide(a, b)
        answer = str(quotient) if a % b == 0 else REMAINDER[language].format(quotient, a % b)
    spoken = draw.random() < 0.25
    shown = draw.choice(WORDS[language][sign]).format(a, b) if spoken else f"{a} {sign} {b}"
    reply = "\n".join([*steps, ANSWER[language] + answer])
    return Example.of("sums", language, draw.choice(ASK[language]).format(shown), reply, answer, draw)


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


def _multiply(a: int, b: int) -> list[str]:
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
