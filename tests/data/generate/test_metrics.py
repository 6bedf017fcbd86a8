import json
import re

import pytest

from fathom.data.generate import generate
from fathom.data.generate.format import NUMBERS
from fathom.data.generate.metrics import NONE, SHAPES
from fathom.data.generate.values import MONTHS
from fathom.data.generate.words import table

TEXTS = table("metrics")
KEYS = ["metric", "group_by", "filters", "period", "order", "limit"]


def listing(example):
    """Ids with the names they are listed by, as one reads them from the text above the question."""
    text = "\n".join(text for role, text in example.turns if role != "assistant")
    rows = re.findall(r"(?m)^(?:- )?([a-z_0-9]+)(?:: | \| | = )(.+)$", text)
    return {key: re.split(r" \| | \((?:别名|also): | \[|: |, |\)$", rest) for key, rest in rows}


def period(question, language):
    """The period that is said, read with expressions of its own."""
    explicit = {
        "zh": [
            (r"(\d{4})年(\d+)月", lambda y, m: f"{y}-{int(m):02}"),
            (r"(\d{4})年(?:第|Q)(\d)", lambda y, q: f"{y}-Q{q}"),
            (r"(\d{4})年([上下])半年", lambda y, h: f"{y}-H{'上下'.index(h) + 1}"),
            (r"(\d{4})年", lambda y: y),
        ],
        "en": [
            (rf"in ({'|'.join(MONTHS)}) (\d{{4}})", lambda m, y: f"{y}-{MONTHS.index(m) + 1:02}"),
            (r"in (?:Q|quarter )(\d)(?: of)? (\d{4})", lambda q, y: f"{y}-Q{q}"),
            (r"in the (first|second) half of (\d{4})", lambda h, y: f"{y}-H{('first', 'second').index(h) + 1}"),
            (r"in (\d{4})", lambda y: y),
        ],
    }[language]
    for expression, written in explicit:
        if match := re.search(expression, question):
            return written(*match.groups())
    said = {w.strip(): name for name, words in TEXTS["periods"].items() for w in words[language]}
    return next((name for words, name in said.items() if words in question), None)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_queries_say_what_the_question_says_with_what_is_listed(language) -> None:
    none = 0
    for example in generate("metrics", 600, seed=1, languages=[language]):
        question = example.turns[-2][1].rsplit("\n", 1)[-1]
        query, listed = json.loads(example.answer), listing(example)
        names = {name.lower(): key for key, listed_names in listed.items() for name in listed_names}
        if query == NONE:
            none += 1
            continue
        assert list(query) == KEYS
        assert {query["metric"], *query["group_by"], *(f["dim"] for f in query["filters"])} <= set(listed)
        said = [name for name in names if name in question.lower()]
        assert query["metric"] in {names[name] for name in said}, example
        assert set(query["group_by"]) <= {key for key in listed if key in query["group_by"]}
        for key in query["group_by"]:
            assert listed[key][0].lower().removesuffix("y") in question.lower(), example
        assert query["period"] == period(question, language), example
        for condition in query["filters"]:
            values = condition["value"] if condition["op"] == "in" else [condition["value"]]
            assert len(values) == 1 + (condition["op"] == "in")
            assert all(value in question for value in values)
            denied = re.search(r"不是|不为|is not|other than", question)
            assert denied or condition["op"] != "!="
        assert (query["order"] is None) is (query["limit"] is None)
        if query["limit"] not in (None, 1):
            shown = NUMBERS[language][query["limit"]]
            assert str(query["limit"]) in question or shown in question.lower()
        high = re.search(r"最高|最大|最多|前|第一|冠军|high|top|most|largest|best|first|lead", question.lower())
        low = re.search(r"最低|最小|最少|倒数|最后|后|垫底|low|bottom|least|smallest|worst|last", question.lower())
        assert high if query["order"] == "desc" else low if query["order"] == "asc" else True, example
    assert 50 < none < 140


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_metric_that_is_not_listed_is_never_named_by_what_is(language) -> None:
    for domain in TEXTS["domains"].values():
        side = int(language == "en")
        names = [name for row in domain["metrics"] for name in {row[1 + side].lower(), row[3 + side].lower()}]
        assert len(set(names)) == len(names), domain
        assert len({row[0] for row in domain["metrics"]} | {row[0] for row in domain["dimensions"]}) == len(
            domain["metrics"]
        ) + len(domain["dimensions"])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_shape_has_a_dozen_wordings_with_all_that_they_need(language) -> None:
    for shape, (by, _, limit) in SHAPES.items():
        asks = TEXTS["ask"][shape][language]
        assert len(set(asks)) >= 12
        for ask in asks:
            fields = set(re.findall(r"{(\w)}", ask))
            assert fields >= {"p", "f", "m"}
            assert ("g" in fields or "G" in fields) is (by > 0)
            assert ("h" in fields) is (by == 2)
            assert ("n" in fields) is (limit == 0)
