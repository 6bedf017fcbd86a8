import random

import pytest

from fathom.data.forms import FORMS


def made(form, *records):
    return list(FORMS[form](records, random.Random(1)))


def spoken(conversation):
    return [(m["role"], m["content"]) for m in conversation]


def test_a_text_has_its_title_above_it_half_of_the_time() -> None:
    found = made("text", *[{"title": "Egg", "text": "It is oval."}] * 40)
    assert set(found) == {"It is oval.", "Egg\nIt is oval."}
    assert made("text", *[{"title": "Egg", "text": "Egg is food."}] * 9) == ["Egg is food."] * 9


def test_a_dialogue_ends_with_an_answer() -> None:
    turns = [{"text": t} for t in ("hi", "hello", "bye")]
    assert spoken(made("dialogue", {"turns": turns})[0]) == [("user", "hi"), ("assistant", "hello")]


def test_pairs_are_translated_in_both_directions() -> None:
    found = [spoken(c) for c in made("pairs", *[{"en": "Good day", "zh": "你好"}] * 40, {"en": "x", "zh": "y"})]
    assert len(found) == 40
    assert {answer for _, (_, answer) in found} == {"Good day", "你好"}
    assert all(("Good day" in question) != (answer == "Good day") for (_, question), (_, answer) in found)


def test_the_right_intent_is_among_the_options() -> None:
    records = [{"text": f"message {i}", "intent": f"a_{i % 9}"} for i in range(40)]
    for record, ((_, question), (_, answer)) in zip(records, map(spoken, made("intents", *records)), strict=True):
        assert answer == record["intent"].replace("_", " ")
        assert answer in question
        assert record["text"] in question


def test_a_question_stands_with_its_table_and_large_tables_are_left_out() -> None:
    small = {"table": "t", "header": ["city", "n"], "rows": [["Bern", "3"]]}
    large = {"table": "u", "header": ["n"], "rows": [["1"]] * 99}
    asked = [{"table": t, "question": "how many?", "answer": ["3"]} for t in "tu"]
    (conversation,) = made("tables", small, large, *asked)
    assert "| Bern | 3 |" in conversation[0]["content"]
    assert conversation[1]["content"] == "3"


@pytest.mark.parametrize(
    ("record", "turns"),
    [
        ({"question": "1+1?", "answer": "It is <<1+1=2>>2\n#### 2"}, ["1+1?", "It is 2\nAnswer: 2"]),
        ({"title": "T", "body": "B"}, ["T", "B"]),
        (
            {"instruction": "I", "input": "", "output": "O", "history": [["q", "a"]]},
            ["q", "a", "I", "O"],
        ),
    ],
)
def test_questions_come_in_three_spellings(record, turns) -> None:
    assert [m["content"] for m in made("questions", record)[0]] == turns


def test_a_fact_is_asked_in_several_ways_and_answered_by_a_word_or_a_sentence() -> None:
    french, tea = (
        {"question": "What is the capital of France?", "answer": "Paris"},
        {"question": "茶是什么？", "answer": "饮料"},
    )
    river = {"question": "Which river flows through Paris?", "answer": "the Seine"}
    found = [tuple(m["content"] for m in c) for c in made("facts", french, tea, river)]
    assert found[0] == ("What is the capital of France?", "Paris.")
    assert found[1] == ("what is the capital of France", "The capital of France is Paris.")
    assert found[6:8] == [("茶是什么？", "饮料。"), ("茶是什么", "茶是饮料。")]
    assert found[13][1] == "The Seine flows through Paris."
    assert len({question for question, _ in found}) == 18


def test_hints_in_brackets_are_no_part_of_what_is_asked() -> None:
    talk = [
        {"role": "user", "content": "为什么下雨？（三点列表）"},
        {"role": "assistant", "content": "水汽凝结（见下）"},
    ]
    (found,) = made("prompted", {"messages": talk})
    assert [m["content"] for m in found] == ["为什么下雨？", "水汽凝结（见下）"]
    talk[0]["content"] = "(ok)"
    assert made("prompted", {"messages": talk})[0][0]["content"] == "(ok)"


def test_reading_asks_about_each_paragraph_in_its_language() -> None:
    qa = {"question_zh": "谁？", "answer_zh": "我", "question_en": "Who?", "answer_en": "Me"}
    found = made("reading", {"context_zh": "是我。", "context_en": "It's me.", "qas": [qa]})
    assert [c[1]["content"] for c in found] == ["我", "Me"]


@pytest.mark.parametrize(
    ("title", "text", "answer"),
    [
        ("Bread", "Bread is a staple food (see food) made of dough, baked in an oven.", "Bread is a staple food made"),
        ("面包", "面包（英语：bread）是一种用面粉烤成的食物，各地做法不同。", "面包是一种用面粉"),
        ("List of rivers", "List of rivers is a list that holds rivers of the whole world.", None),
        ("Bread", "It is a staple food made of dough and baked in an oven until brown.", None),
        ("Bread", "Bread is food.", None),
    ],
)
def test_a_definition_is_the_first_sentence_of_a_page(title, text, answer) -> None:
    found = made("definitions", {"title": title, "text": text})
    if answer is None:
        assert found == []
    else:
        assert found[0][1]["content"].startswith(answer)
        assert title.lower() in found[0][0]["content"].lower()
