import re

from fathom.data.generate import generate

SIGNS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "×": lambda a, b: a * b}


def test_every_step_is_right_and_the_steps_lead_to_the_answer() -> None:
    for example in generate("sums", 2000, seed=1):
        *steps, last = example.turns[-1][1].split("\n")
        for step in steps:
            a, sign, b, result = re.fullmatch(r"(\d+) ([-+×]) (\d+) = (\d+)", step).groups()
            assert SIGNS[sign](int(a), int(b)) == int(result), step
        assert last.endswith(example.answer)
        numbers = list(map(int, re.findall(r"\d+", example.turns[-2][1])))
        question = example.turns[-2][1]
        if "÷" in question or "除" in question or "divided" in question:
            quotient, *rest = map(int, re.findall(r"\d+", example.answer))
            assert divmod(numbers[0], numbers[1]) == (quotient, rest[0] if rest else 0)
            assert steps[-1].endswith(f" = {rest[0] if rest else 0}")
        else:
            assert steps[-1].endswith(f" = {example.answer}")
