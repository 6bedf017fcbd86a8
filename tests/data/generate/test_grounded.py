import pytest

from fathom.data.generate import generate
from fathom.data.generate.grounded import ABSENT, SOURCE
from fathom.data.generate.words import table


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_quoted_stands_in_the_text_and_holds_the_answer(language) -> None:
    absent = unquoted = 0
    for example in generate("grounded", 500, seed=2, languages=[language]):
        prompt, reply = (text for _, text in example.turns[-2:])
        if any(a.split("{}")[0] and reply.startswith(a.split("{}")[0]) for a in ABSENT[language]):
            absent += 1
            continue
        if ("依据" if language == "zh" else "source") not in prompt.lower():
            unquoted += 1
            assert SOURCE[language] not in reply
            assert example.answer in ("yes", "no") or example.answer in reply
            assert example.answer in ("yes", "no") or example.answer in prompt
            continue
        told, quote = reply.split("\n" + SOURCE[language])
        assert quote in prompt
        if example.answer not in ("yes", "no"):
            assert example.answer in quote
            assert example.answer in told
    assert 80 < absent < 220
    assert 50 < unquoted < 150


def test_documents_name_known_facts_and_every_fact_speaks_both_languages() -> None:
    facts = table("grounded")["facts"]
    for document in table("grounded")["documents"]:
        assert set(document["facts"]) <= set(facts)
        assert len(set(document["facts"])) == len(document["facts"]) > 5
    for name, fact in facts.items():
        for language in ("zh", "en"):
            told = fact[language]
            said = told["yes"] + told["no"] if fact["kind"] == "yes_no" else told["say"]
            assert said, name
            assert all("{v}" in s for s in said) is (fact["kind"] != "yes_no"), name
