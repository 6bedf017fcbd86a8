import json

import pytest

from fathom.data.generate import generate
from fathom.data.generate.values import VALUES
from fathom.data.generate.words import table


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_extracted_value_stands_in_the_message_and_every_key_is_asked_for(language) -> None:
    missing = total = 0
    for example in generate("extract", 500, seed=1, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        assert reply == example.answer
        for key, value in json.loads(reply).items():
            total += 1
            missing += value is None
            assert key in prompt
            assert value is None or str(value) in prompt
        if "null" in reply:
            assert "null" in prompt  # the rule is told
    assert 0.1 < missing / total < 0.35


def test_fields_are_of_known_kinds_and_each_key_is_of_one_field() -> None:
    seen = {}
    for name, field in table("extract")["fields"].items():
        assert field["kind"] in VALUES or field["kind"] == "2-60"
        for language in ("zh", "en"):
            assert all("{v}" in sentence for sentence in field[language]["say"])
            for key in field[language]["keys"]:
                assert seen.setdefault((language, key), name) == name
