import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.eval.scorers import CHECKS, SCORERS, loops, object_in, score
from fathom.text.tools import ToolCall

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NOTICE = "Kiln hours\nThe kiln is fired at 18:40. Bring an apron. Glazes are on shelf 4. Ask Odile for a key.\n\nWhen?"
TABLE = (
    "| boat | crew |\n| --- | --- |\n| Gull | 4 |\n| Gull Two | 9 |\n| Heron | 6 |\n\nWhich boat has the largest crew?"
)
ITEMS = {
    "extraction": {"expected": {"guest": "Ilse Brandt", "nights": "3", "pet": None}},
    "grounded": {"prompt": NOTICE, "quote": "The kiln is fired at 18:40.", "answer": "18:40"},
    "tables": {"prompt": TABLE, "answer": "Gull Two"},
    "arithmetic": {"answer": 1200},
    "tools": {"name": "book_table", "arguments": {"day": "Friday", "people": "4"}},
    "constraints": {"check": "max_chars", "value": 10},
    "everyday": {"lang": "zh"},
    "needle": {"answer": "4815162"},
    "intents": {"answer": "cancel order"},
    "options": {"answer": 2},
}
ASKED = f"{NOTICE} If that is not mentioned, say so.\n文中没有就说没有提到。"
ABSENT = {"prompt": ASKED, "quote": None, "answer": None}


def call(name="book_table", **arguments):
    return ToolCall(name, json.dumps(arguments))


def test_every_task_has_an_item_here_and_an_unknown_one_is_refused() -> None:
    assert ITEMS.keys() == SCORERS.keys()
    with pytest.raises(FathomError, match="extraction"):
        score("juggling", {}, "")


@pytest.mark.parametrize("task", SCORERS)
@given(answer=st.text() | ANY_JSON | ANY_JSON.map(json.dumps) | st.lists(st.tuples(st.just("book_table"), st.text())))
def test_any_answer_has_a_score(task, answer) -> None:
    assert 0 <= score(task, ITEMS[task], answer) <= 1


@pytest.mark.parametrize(
    "text", ["{" * 5000, '{"a":' * 5000, "[" * 100_000, "\ud800", "\0", "9" * 5000, "-" * 9, "(" * 9]
)
@pytest.mark.parametrize("task", SCORERS)
def test_hostile_answers_are_wrong(task, text) -> None:
    assert score(task, ITEMS[task], text) == 0 or (task, len(text)) in {("constraints", 1), ("constraints", 9)}
    assert score(task, ITEMS[task], [("book_table", text)]) == 0


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ('{"guest":"Ilse Brandt","nights":3,"pet":null}', 1),
        ('Sure:\n```json\n{\n "Guest": "ilse brandt",\n "nights": "3", "pet": ""\n}\n```', 1),
        ('{"guest":"Ilse Brandt","nights":"3","pet":null,"mood":"good"}', 1),
        ('{"guest":"Ilse Brandt","nights":"3"}', 2 / 3),
        ('{"guest":"Ilse","nights":"3","pet":"cat"}', 1 / 3),
        ('{"guest":"Ilse Brandt","nights":"3","pet":null', 0),
        ("guest: Ilse Brandt, nights: 3, pet: null", 0),
        ('{"record":{"guest":"Ilse Brandt"}}', 0),
        ("{}", 0),
        ("", 0),
    ],
)
def test_extraction_is_the_share_of_right_fields(answer, share) -> None:
    assert math.isclose(score("extraction", ITEMS["extraction"], answer), share)


def test_objects_are_found_behind_braces_that_are_none() -> None:
    assert object_in('a {set}: {"a": {"b": 1}} {"c": 2}') == {"a": {"b": 1}}
    assert object_in("{" * 51 + '{"a":1}') is None


@pytest.mark.parametrize(
    "answer",
    [
        "At 18:40.\nSource: The kiln is fired at 18:40.",
        "The kiln is fired at 18:40.\nSource: the kiln is fired at １８:４０",
        "18:40 (“The kiln is fired at 18:40.”)",
        "The text says: “The kiln is fired at 18:40.”",
        "Source: The kiln is fired at 18:40.\nAnswer: 18:40",
        "It says: 'The kiln is fired at 18:40.'",
        "Here is the sentence: the kiln is fired at 18:40",
        "好的，根据通知的内容：The kiln is fired at 18:40.",
        "原文句子是“The kiln is fired at 18:40.”",
    ],
)
def test_grounded_answers_stand_beside_their_sentence(answer) -> None:
    assert score("grounded", ITEMS["grounded"], answer) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "At 18:40.",
        "At 9:30.\nSource: The kiln is fired at 18:40.",
        "At 18:40.\nSource: Bring an apron.",
        "The text does not mention it.\nSource: The kiln is fired at 18:40.",
        "Not at all: the kiln is fired at 18:40.",
        "18:40. The kiln is fired.",
        NOTICE,
        "",
    ],
)
def test_grounded_answers_without_it_or_with_another_answer_are_wrong(answer) -> None:
    assert score("grounded", ITEMS["grounded"], answer) == 0


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The text does not mention the price.", 1),
        ("文中没有提到价格。", 1),
        ("There is nothing about it; shelf 4 is for glazes.", 1),
        ("The text does not mention the price. It is 25 pounds.", 0),
        ("It is not expensive.", 0),
        ("If that is not mentioned, say so.", 0),
        ("When? If that is not mentioned, say so: it is not mentioned.", 1),
        ("文中没有就说没有提到。", 0),
        ("文中没有就说没有提到：没有提到。", 1),
        ("At 18:40.\nSource: The kiln is fired at 18:40.", 0),
        ("", 0),
    ],
)
def test_what_a_text_does_not_tell_has_to_be_said(answer, right) -> None:
    assert score("grounded", ABSENT, answer) == right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Gull Two", 1),
        ("**gull two**.", 1),
        ("Gull Two has the largest crew.", 1),
        ("Gull has 4, Heron 6.\nThe largest is Gull Two", 1),
        ("Gull Two has more than Heron.", 1),
        ("The boat with the largest crew is Gull Two.", 1),
        ("Gull", 0),
        ("Heron has more than Gull Two.", 0),
        ("Gull Two, Heron, Gull", 0),
        ("The second one.", 0),
        ("crew", 0),
        ("", 0),
    ],
)
def test_a_name_of_a_table_has_to_come_first(answer, right) -> None:
    assert score("tables", ITEMS["tables"], answer) == right


@pytest.mark.parametrize(
    "table", ["看，谁多？\n船名,人数\n海鸥,4\n苍鹭,6", "船名\t人数\n海鸥\t4\n苍鹭\t6\n\n海鸥，谁多？"]
)
def test_tables_with_tabs_and_commas_are_read(table) -> None:
    item = {"prompt": table, "answer": "苍鹭"}
    assert score("tables", item, "苍鹭的人数更高。") == 1
    assert score("tables", item, "海鸥的人数更高。") == 0
    assert score("tables", item, "海鸥和苍鹭") == 0
    assert score("tables", {**item, "answer": "白鹭"}, "白鹭") == 1


@pytest.mark.parametrize("task", ["tables", "arithmetic"])
@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("800 + 400 = 1,200", 1),
        ("答案：１２００元。", 1),
        ("$1200.00", 1),
        ("The total is 1200 kg", 1),
        ("1200 + 1 = 1201", 0),
        ("12000", 0),
        ("-1200", 0),
        ("一千二百", 0),
        ("", 0),
    ],
)
def test_the_last_number_counts(task, answer, right) -> None:
    assert score(task, {"prompt": TABLE, "answer": "1200"}, answer) == right


@pytest.mark.parametrize(
    ("calls", "right"),
    [
        ([call(day="Friday", people="4")], 1),
        ((call(day="friday ", people=4),), 1),
        ([("book_table", '{"people": "4", "day": "Friday", "note": null}')], 1),
        ([call(day="Friday")], 0),
        ([call(day="Friday", people="5")], 0),
        ([call(day="Friday", people="4", note="window")], 0),
        ([call("find_table", day="Friday", people="4")], 0),
        ([call(day="Friday", people="4")] * 2, 0),
        ([("book_table", "[]")], 0),
        ([("book_table", "{")], 0),
        ([("book_table", None)], 0),
        ([("book_table",)], 0),
        ([7], 0),
        ([], 0),
        (None, 0),
        ("book_table", 0),
    ],
)
def test_a_tool_is_called_once_with_its_arguments(calls, right) -> None:
    assert score("tools", ITEMS["tools"], calls) == right


@pytest.mark.parametrize(
    ("check", "value", "good", "bad"),
    [
        ("max_chars", 5, "一二\n\n四。", "一二三四五。"),
        ("min_chars", 5, "a b c", "a  b"),
        ("max_words", 3, "one two three", "one two three four"),
        ("min_words", 3, "one two three", "one two"),
        ("exactly_n_words", 2, "two words", "just three words"),
        ("max_items", 2, "1. a\n2. b", "- a\n- b\n- c"),
        ("min_items", 3, "Here:\n1、甲\n2、乙\n3、丙", "甲、乙"),
        ("exactly_n_items", 3, "apples, pears, plums", "Three:\n* a\n* b"),
        ("exactly_n_items", 2, "（1）甲\n（2）乙", "甲\n乙\n丙"),
        ("max_sentences", 1, "一句话，就一句。", "一句。两句！"),
        ("exactly_n_sentences", 2, "One is 1.5 long. Two?", "One. Two. Three."),
        ("exactly_n_lines", 2, "a\n\nb", "a"),
        ("contains", ["茶", "Milk"], "milk 和茶", "milk"),
        ("contains", "tea", "Tea!", "coffee"),
        ("excludes", "的", "好茶", "好的"),
        ("starts_with", "Dear", "dear Ann", "My dear"),
        ("ends_with", "谢谢！", "好，谢谢!", "谢谢！再见"),
        ("one_of", ["yes", "no"], "Yes.", "yes and no"),
        ("no_punctuation", None, "没有标点 none", "有，标点"),
        ("no_digits", None, "three", "3"),
        ("number_only", None, " 42 ", "42 cats"),
        ("uppercase", None, "LOUD 1!", "Loud"),
        ("lowercase", None, "quiet.", "Quiet."),
        ("json_keys", ["a", "b"], '{"b":1,"a":2}', '{"a":1}'),
        ("language", "en", "Only English", "只有中文"),
    ],
)
def test_each_check_knows_good_from_bad(check, value, good, bad) -> None:
    assert score("constraints", {"check": check, "value": value}, good) == 1
    assert score("constraints", {"check": check, "value": value}, bad) == 0
    assert score("constraints", {"check": check, "value": value}, " \n") == 0


CHECKED = [("max_chars", 5), ("exactly_n_items", 2), ("contains", "a"), ("json_keys", ["a"]), ("language", "zh")]


@pytest.mark.parametrize(("check", "value"), [*CHECKED, *((c, "") for c in ("no_punctuation", "uppercase", "one_of"))])
@given(answer=st.text())
def test_checks_hold_or_do_not_of_any_text(check, value, answer) -> None:
    assert CHECKS[check](answer, value) in (True, False)


def test_the_language_of_an_answer_is_that_of_most_of_its_letters() -> None:
    assert score("everyday", {"lang": "zh"}, "可以用 WiFi 连接，密码写在路由器背面的标签纸上。") == 1
    assert score("everyday", {"lang": "zh"}, "Sure, 好的") == 0
    assert score("everyday", {"lang": "en"}, "Sure — 12 cafés.") == 1
    assert score("everyday", {"lang": "en"}, "!!!") == 0


def test_an_answer_loops_when_it_repeats_itself_or_never_ends() -> None:
    assert not loops(range(100), "stop")
    assert loops(range(100), "length")
    assert loops([1, 2, 3, 4, 5, 6, 0] * 3, "stop")
    assert not loops([1, 2, 3, 4, 5, 6, 0] * 2, "stop")
    assert loops([7] * 8, "stop")
    assert not loops([], "stop")


@pytest.mark.parametrize(("answer", "right"), [("It is 4815162.", 1), ("48151623", 0), ("481", 0), ("", 0)])
def test_a_needle_is_found_whole(answer, right) -> None:
    assert score("needle", ITEMS["needle"], answer) == right


def test_choices_are_exact() -> None:
    assert score("intents", ITEMS["intents"], "Cancel order.") == 1
    assert score("intents", ITEMS["intents"], "cancel order or refund") == 0
    assert [score("options", ITEMS["options"], i) for i in range(4)] == [0, 0, 1, 0]
    assert score("options", ITEMS["options"], "2") == 0
