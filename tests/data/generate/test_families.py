from pathlib import Path

import pytest

from fathom.cli.messages_train import TRAINING
from fathom.data.generate import FAMILIES, generate
from fathom.errors import FathomError


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_examples_are_the_same_for_the_same_seed_and_differ_from_one_another(family) -> None:
    one = [example.turns for example in generate(family, 300, seed=5)]
    assert one == [example.turns for example in generate(family, 300, seed=5)]
    assert len(set(one)) == 300
    assert one != [example.turns for example in generate(family, 300, seed=6)]
    assert [("zh", "en")[i % 2] for i in range(6)] == [e.language for e in generate(family, 6, seed=5)]


def test_a_family_that_has_no_more_says_so(monkeypatch) -> None:
    first = next(generate("sums", 1, seed=0))
    monkeypatch.setattr("fathom.data.generate.FAMILIES", {"one": lambda draw, language: first})
    with pytest.raises(FathomError, match="no more than 1"):
        list(generate("one", 2, seed=0))


@pytest.mark.parametrize(("family", "languages"), [("poems", ["zh"]), ("sums", ["zh", "fr"])])
def test_an_unknown_family_or_language_is_named_with_those_there_are(family, languages) -> None:
    with pytest.raises(FathomError, match="choose one of"):
        next(generate(family, 1, seed=0, languages=languages))


def test_the_help_of_the_command_and_its_page_name_every_family() -> None:
    docs = Path(__file__).parents[3] / "docs"
    for number, language in enumerate(("en", "zh")):
        page = (docs / language / "data.md").read_text("utf-8")
        for family in FAMILIES:
            assert family in TRAINING["data.family"][number]
            assert f"| `{family}` |" in page
