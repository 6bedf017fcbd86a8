import json
import re

import pytest

from fathom.data.generate import generate
from fathom.data.generate.values import VALUES
from fathom.data.generate.words import table

UNMISTAKABLE = {  # kinds of value that can be told from their form
    "phone": r"138\d{8}|400-\d{3}-\d{4}|010-6\d{7}|\d{3}-555-\d{4}|\(\d{3}\) 555-\d{4}|020 7\d{3} \d{4}",
    "email": r"@",
    "order": r"\b(?:A|ORD-|No)\d{5,}|#\d{5,}",
    "price": r"[$£€¥]\d|\d元",
}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_values_stand_in_the_text_under_the_names_asked_for_and_only_what_is_absent_is_null(language) -> None:
    kinds = {key: f["kind"] for f in table("extract")["fields"].values() for key in f[language]["keys"]}
    missing = total = untold = 0
    for example in generate("extract", 800, seed=1, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        assert reply == example.answer
        found = json.loads(reply)
        for key, value in found.items():
            total += 1
            missing += value is None
            assert key in prompt
            assert value is None or str(value) in prompt
            form = UNMISTAKABLE.get(kinds.get(key.replace(" ", "_"), ""))
            if value is None and form and not any(kinds[k.replace(" ", "_")].endswith("price") for k in found):
                assert not re.search(form, prompt), example
        untold += None in found.values() and "null" not in prompt
    assert 0.1 < missing / total < 0.35
    assert untold < 80


@pytest.mark.parametrize("language", ["zh", "en"])
def test_many_requests_are_one_line(language) -> None:
    prompts = [e.turns[-2][1] for e in generate("extract", 400, seed=2, languages=[language])]
    assert sum("\n" not in prompt for prompt in prompts) > 90
    assert not any("{}" in p or re.search(r"{[a-z_]+}", p) for p in prompts)


def test_notes_are_about_fields_there_are_in_the_words_of_both_languages() -> None:
    fields = table("extract")["fields"]
    for note in table("extract")["notes"]:
        for language in ("zh", "en"):
            for pattern in note[language]:
                slots = re.findall(r"{(\w+)}", pattern)
                assert set(slots) <= set(note["fields"]) <= set(fields)
                assert len(set(slots)) == len(slots) > 0, pattern


def test_kinds_are_known_and_every_way_to_say_a_field_holds_its_value() -> None:
    for field in table("extract")["fields"].values():
        assert field["kind"] in VALUES or re.fullmatch(r"\d+-\d+", field["kind"])
        for language in ("zh", "en"):
            assert all("{v}" in sentence for sentence in field[language].get("say", ()))
            assert len(set(field[language]["keys"])) == len(field[language]["keys"])


@pytest.mark.parametrize("language", ["zh", "en"])
def test_requests_are_worded_in_many_ways(language) -> None:
    texts = table("extract")["texts"][language]
    assert min(len(texts["ask"]), len(texts["plain"])) >= 12
    assert all("{text}" in ask and "{keys}" in ask for ask in texts["ask"] + texts["plain"])
