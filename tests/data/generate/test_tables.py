import re

import pytest

from fathom.data.generate import generate
from fathom.data.generate.tables import Question, Table, answer
from fathom.data.generate.words import table

CITIES = Table(
    header=("city", "shops", "region", "staff"),
    rows=(("Bern", "4", "West", "90"), ("Rome", "9", "East", "40"), ("Oslo", "7", "West", "40")),
    numbers=(1, 3),
    kinds=(2,),
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question("lookup", 1, first=2), "7"),
        (Question("catof", 1, first=1, kind=2), "East"),
        (Question("max", 1), "Rome"),
        (Question("min", 1), "Bern"),
        (Question("first", 1), "Oslo"),
        (Question("max", 3), "Bern"),
        (Question("min", 3), None),
        (Question("first", 3), None),
        (Question("cmp", 1, 0, 2), "Oslo"),
        (Question("cmp", 3, 1, 2), None),
        (Question("diff", 1, 1, 0), "5"),
        (Question("diff", 1, 0, 1), None),
        (Question("sum", 1), "20"),
        (Question("sumif", 1, kind=2, value="West"), "11"),
        (Question("sumif", 1, kind=2, value="North"), None),
        (Question("count", 1, kind=2, value="West"), "2"),
        (Question("count_gt", 1, bound=4), "2"),
        (Question("count_lt", 1, bound=4), "0"),
        (Question("rows", 1), "3"),
    ],
)
def test_answers_are_those_of_the_rows_and_there_is_only_one(question, expected) -> None:
    assert answer(CITIES, question) == expected


def test_every_kind_of_question_is_asked_and_known() -> None:
    for operation in table("tables")["questions"]:
        answer(CITIES, Question(operation, 1, kind=2))
    with pytest.raises(ValueError, match="median"):
        answer(CITIES, Question("median", 1))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_answer_stands_in_the_reply_and_names_come_from_the_table(language) -> None:
    for example in generate("tables", 400, seed=4, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        assert example.answer.lower() in reply.lower()
        assert example.answer.isdigit() or example.answer in prompt


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sums_and_differences_are_shown_with_their_numbers_unless_only_the_result_is_wanted(language) -> None:
    shown = 0
    for example in generate("tables", 1500, seed=5, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        if " = " not in reply or not reply[0].isdigit():
            continue
        left, right = re.match(r"([-\d+ ]+) = (\d+)", reply).groups()
        assert eval(left) == int(right) == int(example.answer)
        assert all(re.search(rf"(?<!\d){n}(?!\d)", prompt) for n in re.findall(r"\d+", left))
        shown += 1
    assert shown > 60
