import re
from itertools import combinations

import pytest

from fathom.data.generate import generate
from fathom.data.generate.words import table

TEXTS = table("intents")


def expression(message):
    """What a message looks like with anything filled in, apart from its first letter's case."""
    parts = re.split(r"{[a-z ]+}", message)
    return re.compile(".{1,40}?".join(map(re.escape, parts)), re.IGNORECASE)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_labels_are_those_of_the_intent_whose_message_it_is(language) -> None:
    side = int(language == "en")
    messages = [
        (expression(message), {intent[0], intent[1 + side]})
        for domain in TEXTS["domains"].values()
        for intent in domain["intents"]
        for message in intent[3 + side]
    ]
    intents = none = 0
    for example in generate("intents", 600, seed=1, languages=[language]):
        prompt, label = example.turns[-2][1], example.answer
        assert label in prompt
        assert example.turns[-1][1] == label
        meant = [names for shape, names in messages if shape.search(prompt)]
        around = next((shape.sub("", prompt) for shape, _ in messages if shape.search(prompt)), prompt)
        if label in TEXTS["texts"][language]["none"]:
            none += 1
            assert not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", around) for name in meant[0]), example
        elif meant:
            assert any(label in names for names in meant), example
            intents += 1
    assert intents > 250
    assert none > 15


@pytest.mark.parametrize("language", ["zh", "en"])
def test_feelings_are_those_of_what_is_said(language) -> None:
    side, feelings = int(language == "en"), TEXTS["feelings"]
    says = {m: [expression(s) for s in feelings[f"{m}_{language}"]] for m in feelings["names"]}
    seen = 0
    for example in generate("intents", 600, seed=2, languages=[language]):
        prompt = example.turns[-2][1]
        moods = {m for m, names in feelings["names"].items() if example.answer in [n[side] for n in names]}
        said = {m for m, shapes in says.items() if any(shape.search(prompt) for shape in shapes)}
        if moods and (moods & said):
            seen += 1
            assert len(moods) == 1
    assert seen > 150


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_message_stands_under_two_intents_and_there_are_a_dozen_ways_to_ask(language) -> None:
    side = int(language == "en")
    for domain in TEXTS["domains"].values():
        assert all(len(intent[3 + side]) >= 4 for intent in domain["intents"])
        for one, other in combinations(domain["intents"], 2):
            assert not set(one[3 + side]) & set(other[3 + side])
            assert not set(one[:3]) & set(other[:3])
    assert min(len(TEXTS["texts"][language][kind]) for kind in ("intent", "feeling")) >= 12
