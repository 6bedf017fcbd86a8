import re

import pytest

from fathom.data.generate import generate

SIGNS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "×": lambda a, b: a * b}
SPOKEN = {"乘以": "×", "乘": "×", "除以": "÷", "加上": "+", "加": "+", "减去": "-", "减": "-"}
SPOKEN |= {" plus ": "+", " minus ": "-", " times ": "×", " multiplied by ": "×", " divided by ": "÷"}


def asked(question):
    """The sum of a question, in Python, read apart from how it was made."""
    for words, sign in SPOKEN.items():
        question = question.replace(words, sign)
    return re.search(r"[\d(][\d\s()+\-×÷*/x]*[\d)]", question)[0].replace("×", "*").replace("x", "*").replace("÷", "/")


def test_every_step_is_right_and_the_steps_lead_to_the_answer() -> None:
    for example in generate("sums", 3000, seed=1):
        *steps, last = example.turns[-1][1].split("\n")
        for step in steps:
            a, sign, b, result = re.fullmatch(r"(\d+) ([-+×]) (\d+) = (\d+)", step).groups()
            assert SIGNS[sign](int(a), int(b)) == int(result), step
        assert last.endswith(example.answer)
        code = asked(example.turns[-2][1])
        if "/" in code:
            quotient, *rest = map(int, re.findall(r"\d+", example.answer))
            assert divmod(*map(int, code.split("/"))) == (quotient, rest[0] if rest else 0)
            assert steps[-1].endswith(f" = {rest[0] if rest else 0}")
        else:
            assert str(eval(code)) == example.answer, example
            assert steps[-1].endswith(f" = {example.answer}")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_most_numbers_are_small_and_most_working_is_short(language) -> None:
    examples = list(generate("sums", 1000, seed=3, languages=[language]))
    numbers = [int(n) for e in examples for n in re.findall(r"\d+", e.turns[-2][1])]
    assert sum(n <= 100 for n in numbers) > 0.75 * len(numbers)
    assert sum(len(e.turns[-1][1].split("\n")) <= 3 for e in examples) > 650
