"""``fathom data``: a recipe of a small folder to sets, to parts, and back."""

from __future__ import annotations

import json

import pytest

RECIPE = """
name = "tiny"
[[source]]
set = "pages"
files = ["pages.jsonl"]
licence = "CC0"
origin = "a test"
least = 5
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pages.jsonl").write_text("".join(f'{{"text": "page number {i} of some"}}\n' for i in range(30)))
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_becomes_sets_parts_and_the_same_sets_again(fathom, folder) -> None:
    done = fathom("data", "build", folder / "r.toml", folder / "sets", "--from", folder)
    assert done.code == 0, done.err
    assert "pages" in done.out
    assert "30" in done.out
    done = fathom("data", "pack", folder / "sets", folder / "parts", "--part-mb", "1", "--json")
    assert [part["path"] for part in json.loads(done.out)] == [str(folder / "parts/part-000.bin")]
    done = fathom("data", "unpack", folder / "parts", folder / "there", "--json")
    (meta,) = json.loads(done.out)
    assert meta["hash"] == json.loads((folder / "sets/pages/meta.json").read_text())["hash"]


def test_what_is_still_missing_is_said(fathom, folder) -> None:
    fathom("data", "build", folder / "r.toml", folder / "sets", "--from", folder)
    fathom("data", "pack", folder / "sets", folder / "parts")
    (folder / "parts/part-000.bin").unlink()
    assert fathom("data", "unpack", folder / "parts", folder / "there").out == "still missing: part-000.bin\n"
    assert json.loads(fathom("data", "unpack", folder / "parts", folder / "there", "--json").out) == {
        "missing": ["part-000.bin"]
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: (f / "pages.jsonl").write_text('{"text": "a page"}\n{"text": \n'), "pages.jsonl, line 2"),
        (lambda f: (f / "pages.jsonl").write_text(""), "no document"),
        (lambda f: (f / "pages.jsonl").unlink(), "pages.jsonl: no such file"),
        (lambda f: (f / "r.toml").write_text(RECIPE.replace("origin", "orgin")), "orgin: unknown key; nearest: origin"),
        (lambda f: (f / "r.toml").unlink(), "r.toml"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(fathom, folder, change, problem) -> None:
    change(folder)
    done = fathom("data", "build", folder / "r.toml", folder / "sets", "--from", folder)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert problem in done.err
    assert not (folder / "sets").exists()


def test_a_model_that_is_not_there_is_named(fathom, folder) -> None:
    done = fathom("data", "build", folder / "r.toml", folder / "sets", "--from", folder, "--tokenizer", "none/such")
    assert done.code == 1
    assert "none/such" in done.err


def test_generated_tasks_are_what_a_recipe_reads(fathom, folder) -> None:
    done = fathom("data", "generate", "sums", folder / "pages.jsonl", "--count", "50", "--language", "en")
    assert done.out == f"{folder / 'pages.jsonl'}: 50 examples\n"
    (folder / "r.toml").write_text(RECIPE + 'form = "messages"\n')
    assert fathom("data", "build", folder / "r.toml", folder / "sets", "--from", folder).code == 0
    assert json.loads((folder / "sets/pages/meta.json").read_text())["documents"] == 50


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["poems", "out.jsonl"], "family 'poems'"),
        (["sums", "out.jsonl", "--language", "fr"], "language 'fr'"),
        (["sums", "out.jsonl", "--count", "0"], "--count"),
    ],
)
def test_a_wrong_family_language_or_count_is_a_wrong_call(fathom, folder, monkeypatch, arguments, problem) -> None:
    monkeypatch.chdir(folder)
    done = fathom("data", "generate", *arguments)
    assert done.code == 2
    assert problem in done.err
    assert not list(folder.glob("*out.jsonl*"))
