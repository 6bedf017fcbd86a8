import tomllib
from pathlib import Path

import pytest

from fathom.data.recipe import Recipe
from fathom.errors import FathomError

SOURCE = '[[source]]\nset = "a"\nfiles = ["a.jsonl"]\nlicence = "CC0"\norigin = "here"\n'


def load(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_text(text, "utf-8")
    return Recipe.load(path)


def test_several_sources_go_into_one_set_in_order(tmp_path) -> None:
    other = SOURCE.replace("a.jsonl", "b.jsonl") + 'where = { lang = ["zh"] }\nnear = 1\n'
    recipe = load(tmp_path, 'name = "x"\nseed = 3\n' + SOURCE + other)
    assert [s.files[0] for s in recipe.sets()["a"]] == ["a.jsonl", "b.jsonl"]
    assert recipe.source[1].where == {"lang": ("zh",)}
    assert (recipe.seed, recipe.source[0].form, recipe.source[0].near) == (3, "text", 0.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name =", "TOML"),
        ('name = "x"\n', r"\[\[source\]\]"),
        ('name = "x"\nsource = 3\n', r"\[\[source\]\]"),
        ('name = "x"\nsource = [3]\n', r"\[\[source\]\]"),
        (SOURCE, "name"),
        ('name = "x"\nsede = 1\n' + SOURCE, "sede: unknown key; nearest: seed"),
        ('name = "x"\n' + SOURCE + "neer = 1\n", "neer: unknown key; nearest: near"),
        ('name = "x"\n' + SOURCE + 'near = "a"\n', "near: float expected, found 'a'"),
        ('name = "x"\n' + SOURCE + "near = true\n", "near: float expected"),
        ('name = "x"\n' + SOURCE + "strict = 1\n", "strict: bool expected"),
        ('name = "x"\n' + SOURCE + 'form = "poem"\n', "source 1: form 'poem': one of text, messages"),
        ('name = "x"\n' + SOURCE + "keep = 2.0\n", "source 1: keep"),
        ('name = "x"\n' + SOURCE + 'language = "fr"\n', "language 'fr'"),
        ('name = "x"\n' + SOURCE + "held_out = 3\n", "held_set"),
        ('name = "x"\n' + SOURCE.replace('"a"', '"../a"'), "letters"),
        ('name = "x"\n' + SOURCE.replace('["a.jsonl"]', "[]"), "needs files"),
        ('name = "x"\n' + SOURCE.replace('["a.jsonl"]', "[3]"), "files: lists of texts expected"),
        ('name = "x"\nagainst = [3]\n' + SOURCE, "against: lists of texts expected"),
        ('name = "x"\n' + SOURCE + 'where = {lang = "zh"}\n', "where: lists of texts expected"),
        ('name = "x"\n' + SOURCE + 'held_out = 3\nheld_set = "../b"\n', "held_set '../b'"),
        pytest.param("a = " + "[" * 100_000, "TOML", id="deep"),
        ('name = "x"\n' + SOURCE.replace('licence = "CC0"\n', ""), "licence"),
        ('name = "x"\n' + SOURCE + SOURCE + 'form = "messages"\n', "a: texts and conversations in one set"),
        ('name = "x"\n' + SOURCE + 'held_out = 3\nheld_set = "a"\n', "a: held out and trained on"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_with_its_key(tmp_path, text, problem) -> None:
    with pytest.raises(FathomError, match=problem):
        load(tmp_path, text)


def test_a_recipe_that_is_not_text_or_not_there_is_refused(tmp_path) -> None:
    (tmp_path / "r.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FathomError, match="TOML"):
        Recipe.load(tmp_path / "r.toml")
    with pytest.raises(FathomError, match=r"none\.toml"):
        Recipe.load(tmp_path / "none.toml")


def test_the_recipes_of_mini_fit_together() -> None:
    folder = Path(__file__).resolve().parents[2] / "recipes/mini"
    recipe = Recipe.load(folder / "data.toml")
    run = tomllib.loads((folder / "train.toml").read_text("utf-8"))
    for phase in run["phase"]:
        assert set(phase["shares"]) <= set(recipe.sets())
        assert sum(phase["shares"].values()) == pytest.approx(1)
    typed = Recipe.load(folder / "typed.toml")
    for stage in ("long", "chat"):
        for phase in tomllib.loads((folder / f"{stage}.toml").read_text("utf-8"))["phase"]:
            assert set(phase["shares"]) <= {*recipe.sets(), *typed.sets()}
            assert sum(phase["shares"].values()) == pytest.approx(1)
    held = {source.held_set for source in recipe.source if source.held_set}
    assert held == {"held_zh", "held_en", "held_chat"}
    assert held == set(run["check"]["heldout"])
