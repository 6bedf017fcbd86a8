"""The items whose answers are checked by their values: arithmetic, extraction, grounded, tables, tools."""

import json
from collections import Counter
from functools import cache
from importlib.resources import files

import pytest

from conftest import ROOT
from fathom.data.clean import plain
from fathom.eval.scorers import score
from fathom.eval.wording import holds
from fathom.text.tools import ToolCall, checked_tools

COUNTS = {"arithmetic": 60, "extraction": 60, "grounded": 60, "tables": 60, "tools": 40}
FIELDS = {
    "arithmetic": {"kind": str, "prompt": str, "answer": int},
    "extraction": {"prompt": str, "expected": dict},
    "grounded": {"prompt": str, "quote": str | None, "answer": str | None},
    "tables": {"kind": str, "prompt": str, "answer": str},
    "tools": {"messages": list, "tools": list, "name": str, "arguments": dict},
}
COMMON = {"id": str, "lang": str, "form": str}
KNOWN = [
    *sorted((ROOT / "src/fathom/data/generate").glob("*.toml")),
    ROOT / "bench/prompts_mini.jsonl",
    ROOT / "recipes/mini/facts.jsonl",
]
PASSAGE = 32  # letters


@cache
def items(task):
    text = files("fathom.assets").joinpath(f"eval/{task}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@cache
def known_passages():
    texts = [plain(path.read_text("utf-8")) for path in KNOWN]
    return {text[i : i + PASSAGE] for text in texts for i in range(len(text) - PASSAGE + 1)}


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def right(task, item):
    match task:
        case "arithmetic":
            return f"{item['answer']}"
        case "tables":
            return item["answer"]
        case "extraction":
            return json.dumps(item["expected"], ensure_ascii=False)
        case "tools":
            return [ToolCall(item["name"], json.dumps(item["arguments"], ensure_ascii=False))]
    if item["quote"] is None:
        return "文中没有提到这一点。" if item["lang"] == "zh" else "The text does not mention it."
    return f"{item['answer']}\n依据：{item['quote']}"


def wrong(task, item):
    match task:
        case "arithmetic":
            return [f"{item['answer'] + 1}", f"{item['answer']}0", "0.5"]
        case "tables":
            return ["0.5", "header", f"{item['answer'][:-1]}0.5"]
        case "extraction":
            return [json.dumps(dict.fromkeys(item["expected"], "x")), json.dumps({"x": item["expected"]}), "null"]
        case "tools":
            others = {name: f"{value}1" for name, value in item["arguments"].items()}
            return [[], right(task, item) * 2, [("other", "{}")], [(item["name"], json.dumps(others))]]
    made_up = "应该是98765。" if item["lang"] == "zh" else "That would be 98765."
    return [made_up, item["prompt"], "" if item["quote"] is None else f"{item['answer']}", "不可以。", "No."]


@pytest.mark.parametrize("task", COUNTS)
def test_items_have_their_fields_and_ids_of_their_own(task) -> None:
    for item in items(task):
        kinds = COMMON | FIELDS[task]
        assert item.keys() == kinds.keys()
        assert all(isinstance(item[name], kind) for name, kind in kinds.items()), item["id"]
        assert item["form"] in ("taught", "free")
    assert len({item["id"] for item in items(task)}) == len(items(task))
    assert len({json.dumps([*strings(item)][3:]) for item in items(task)}) == len(items(task))


@pytest.mark.parametrize("task", COUNTS)
def test_languages_and_forms_are_balanced(task) -> None:
    assert Counter(item["lang"] for item in items(task)) == {"zh": COUNTS[task], "en": COUNTS[task]}
    for language in ("zh", "en"):
        taught = sum(item["form"] == "taught" for item in items(task) if item["lang"] == language)
        assert 0.4 <= taught / COUNTS[task] <= 0.6


@pytest.mark.parametrize("task", COUNTS)
def test_the_right_answer_scores_one_and_wrong_ones_do_not(task) -> None:
    for item in items(task):
        assert score(task, item, right(task, item)) == 1, item["id"]
        assert [score(task, item, answer) for answer in wrong(task, item)].count(1) == 0, item["id"]


@pytest.mark.parametrize("task", COUNTS)
def test_nothing_is_quoted_from_what_models_are_taught_with(task) -> None:
    assert len(known_passages()) > 10_000
    for item in items(task):
        for text in map(plain, strings(item)):
            assert not {text[i : i + PASSAGE] for i in range(len(text) - PASSAGE + 1)} & known_passages(), item["id"]


def test_numbers_of_a_sum_are_read_off_its_prompt() -> None:
    signs = {"+": "+", "-": "-", "×": "*", "÷": "//"}
    for item in items("arithmetic"):
        sums = [sign for sign in signs if f" {sign} " in item["prompt"]]
        if item["kind"] == "sum" and sums:
            digits = "".join(c for c in item["prompt"] if c in "0123456789+-×÷")
            left, right_ = digits.split(sums[0])
            assert item["answer"] == eval(f"{left}{signs[sums[0]]}{right_}")


def test_what_is_to_be_extracted_stands_in_the_prompt() -> None:
    for item in items("extraction"):
        assert any(item["expected"].values())
        assert ("null" in item["prompt"]) == (None in item["expected"].values())
        for name, value in item["expected"].items():
            assert name in item["prompt"]
            assert value is None or value in item["prompt"]


def test_quotes_stand_in_the_notice_and_hold_the_answer_and_a_third_has_none() -> None:
    unanswered = [item for item in items("grounded") if item["quote"] is None]
    assert Counter(item["lang"] for item in unanswered) == {"zh": 20, "en": 20}
    assert all(item["answer"] is None for item in unanswered)
    for item in items("grounded"):
        if item["quote"] is not None:
            assert item["prompt"].count(item["quote"]) == 1, item["id"]
            assert holds(item["quote"], item["answer"]), item["id"]


def test_the_right_tool_is_offered_and_its_arguments_fit_its_schema() -> None:
    kinds = {"string": str, "integer": int, "number": int | float, "boolean": bool}
    for item in items("tools"):
        assert [message["role"] for message in item["messages"]] == ["user"]
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in checked_tools(item["tools"])}
        assert 1 <= len(offered) == len(item["tools"]) <= 3
        schema = offered[item["name"]]
        assert set(schema["required"]) <= item["arguments"].keys() <= schema["properties"].keys()
        for name, value in item["arguments"].items():
            wanted = schema["properties"][name]
            assert isinstance(value, kinds[wanted["type"]])
            assert value in wanted.get("enum", [value])
            assert value is True or holds(item["messages"][0]["content"], str(value)), item["id"]
