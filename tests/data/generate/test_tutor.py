import re

import pytest

from fathom.data.generate import generate
from fathom.data.generate.words import table

EQUATION = re.compile(r"(\d+) ([-+×÷]) (\d+) = (\d+)")


def holds(equation):
    a, sign, b, result = equation.groups()
    a, b, result = int(a), int(b), int(result)
    return {"+": a + b == result, "-": a - b == result, "×": a * b == result, "÷": b * result == a}[sign]


def fits(wording, text):
    """Whether a text is a wording with something filled in."""
    return re.fullmatch(re.sub(r"\\\{\w\\\}", ".+", re.escape(wording)), text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_step_that_is_named_is_the_first_wrong_one_and_hints_do_not_tell_the_result(language) -> None:
    say, asks = table("tutor")["say"][language], table("tutor")["ask"][language]
    seen = dict.fromkeys(("wrong", "operation", "right", "hint", "next"), 0)
    for example in generate("tutor", 1200, seed=1, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        working, said = list(EQUATION.finditer(prompt)), reply.split("\n")
        first_wrong = next((i for i, equation in enumerate(working, 1) if not holds(equation)), None)
        assert all(holds(equation) for equation in EQUATION.finditer("\n".join(said[1:]))), example
        marked = re.search(r"第(\d)步|(?:[Ss]tep) (\d)", said[0])
        if any(fits(w, said[0]) for w in say["right"]):
            assert first_wrong is None
            assert working[-1][4] in said[0]
            seen["right"] += 1
        elif marked and any(fits(w, said[0]) for w in say["wrong"]):
            assert int(marked[1] or marked[2]) == first_wrong, example
            a, sign, b, _ = working[first_wrong - 1].groups()
            assert f"{a} {sign} {b}" in said[0]
            seen["wrong"] += 1
        elif marked:
            at = int(marked[1] or marked[2])
            names = table("tutor")["texts"][language]["operations"]
            assert first_wrong is None
            right = re.search(r"\d+ ([-+×÷]) \d+", said[-1] if "=" not in reply else said[1])[1]
            assert right != working[at - 1][2]
            assert names[right] in said[0]
            seen["operation"] += 1
        elif any(ask in prompt for ask in asks["hint"]) and "=" not in said[-1]:
            assert first_wrong is None
            seen["hint"] += 1
        else:
            assert any(ask in prompt for ask in asks["next"]), example
            assert EQUATION.search(reply)
            seen["next"] += 1
        if any(ask in prompt for ask in asks["check"]) and marked:
            a, sign, b = re.search(r"(\d+) ([-+×÷]) (\d+)", said[-1]).groups()
            result = {"+": int(a) + int(b), "-": int(a) - int(b), "×": int(a) * int(b)}.get(sign, int(a) // int(b))
            assert not re.search(rf"(?<!\d){result}(?!\d)", said[1]) or len({a, b, str(result)}) < 3, example
    assert min(seen.values()) > 60, seen


def test_working_that_is_corrected_ends_with_the_answer() -> None:
    ended = 0
    for example in generate("tutor", 600, seed=2):
        reply = example.turns[-1][1]
        answer = re.search(r"(?:答案：|Answer: )(\d+)$", reply)
        if answer:
            assert list(EQUATION.finditer(reply))[-1][4] == answer[1]
            ended += 1
    assert ended > 150


@pytest.mark.parametrize("language", ["zh", "en"])
def test_there_are_a_dozen_ways_to_ask_and_hints_for_every_operation(language) -> None:
    for asks in table("tutor")["ask"][language].values():
        assert len(set(asks)) >= 12
    assert set(table("tutor")["hints"][language]) == set("+-×÷")
    assert all(len([h for h in hints if "{tens}" not in h]) > 1 for hints in table("tutor")["hints"][language].values())
