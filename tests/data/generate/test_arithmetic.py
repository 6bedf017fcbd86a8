import itertools
import random
import re
from fractions import Fraction

import pytest

from fathom.data.generate import arithmetic, generate
from fathom.data.generate.words import table

SUM = r"\d+(?:\.\d+)?(?: [+\-×÷] \d+(?:\.\d+)?)*"
EQUATION = re.compile(rf"({SUM}(?: = {SUM})*) = ([\d.]+)$")


def worked_out(text):
    """An independent reading of a line such as ``28 × 10 ÷ 100``: Python's own precedence on exact numbers."""
    code = re.sub(r"[\d.]+", lambda m: f"Fraction('{m[0]}')", text).replace("×", "*").replace("÷", "/")
    return eval(code, {"Fraction": Fraction})


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_step_is_right_and_the_answer_is_the_last_one(language) -> None:
    for example in generate("arithmetic", 400, seed=3, languages=[language]):
        *steps, last = example.turns[-1][1].split("\n")
        assert last.endswith(example.answer)
        equations = [EQUATION.search(step) for step in steps]
        if all(equations):  # not those of clock times
            for equation in equations:
                assert {worked_out(side) for side in equation[1].split(" = ")} == {Fraction(equation[2])}, steps
            assert equations[-1][2] == example.answer


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((24, 37), "24 × 37 = 37 × 20 + 37 × 4 = 740 + 148 = 888"),
        ((24, 7), "24 × 7 = 168"),
        ((20, 37), "20 × 37 = 740"),
        ((123, 21), "123 × 21 = 123 × 20 + 123 × 1 = 2460 + 123 = 2583"),
    ],
)
def test_products_of_two_long_numbers_are_worked_out_by_parts(values, shown) -> None:
    a, b = map(Fraction, values)
    assert arithmetic._worked("a*b", {"a": a, "b": b}, a * b) == shown


def test_small_numbers_are_more_frequent() -> None:
    draw = random.Random(1)
    numbers = [arithmetic._drawn(draw, "5-44") for _ in range(1000)]
    assert min(numbers) == 5
    assert max(numbers) == 44
    assert 400 < sum(number < 15 for number in numbers) < 600


def test_times_add_up() -> None:
    for seed in range(200):
        question, steps, answer = arithmetic._clock(random.Random(seed), "en")
        start = steps[0].split(" ")[0]
        if ":" in start:
            hours, minutes = map(int, re.search(r"(\d+) h (\d+) min", question).groups())
            total = sum(int(part) * unit for part, unit in zip(start.split(":"), (60, 1), strict=True))
            total += 60 * hours + minutes
            assert answer == f"{total // 60:02}:{total % 60:02}"
        else:
            times = [int(h) * 60 + int(m) for h, m in re.findall(r"(\d\d):(\d\d)", question)]
            assert int(answer) == times[1] - times[0]


def test_every_pattern_of_the_table_makes_problems_in_both_languages() -> None:
    for problem in table("arithmetic")["problem"]:
        for language in ("zh", "en"):
            drawn = (arithmetic.problem(random.Random(seed), language, problem) for seed in range(200))
            made = list(itertools.islice(filter(None, drawn), 8))
            assert made, problem
            assert not re.search(r"[{}]", "".join(question + "".join(steps) for question, steps, _ in made))


@pytest.mark.parametrize(
    ("expression", "value"), [("a+b*2", 8), ("a-b", -1), ("(a+b)/2", Fraction(5, 2)), ("b*a/100", Fraction(6, 100))]
)
def test_expressions_are_exact(expression, value) -> None:
    assert arithmetic.evaluate(expression, {"a": Fraction(2), "b": Fraction(3)}) == value


@pytest.mark.parametrize("hostile", ["__import__('os')", "a.b", "a[0]", "'x'*9", "a**9"])
def test_nothing_but_sums_is_evaluated(hostile) -> None:
    with pytest.raises((ValueError, KeyError)):
        arithmetic.evaluate(hostile, {"a": Fraction(1)})
