"""The page about masking says what happens."""

from __future__ import annotations

import json

import httpx
import pytest

from fathom.guard.entities import ENTITIES
from fathom.server import create_app
from pages import ROOT, blocks, run_console
from serving import running

LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])


def page(language: str):
    return ROOT / "docs" / language / "masking.md"


def test_its_commands_print_what_it_shows(tmp_path):
    for block in blocks(page("en"), "console"):
        run_console(block, tmp_path)


@LANGUAGES
def test_its_python_runs(language):
    [code] = blocks(page(language), "python")
    exec(code, {})


@LANGUAGES
def test_its_answer_over_http_is_the_servers(language):
    asked, answered = (json.loads(block) for block in blocks(page(language), "json"))
    with running(create_app(None, model_name="none")) as url:
        reply = httpx.post(f"{url}/api/v1/mask", json=asked).json()
    assert reply == answered


@LANGUAGES
def test_it_lists_every_type(language):
    text = page(language).read_text("utf-8")
    for name, entity in ENTITIES.items():
        assert f"| `{name}` | {getattr(entity, language)} |" in text


def test_both_languages_have_the_same_parts():
    english, chinese = (page(language).read_text("utf-8") for language in ("en", "zh"))
    for mark in ("\n## ", "```", "\n|"):
        assert english.count(mark) == chinese.count(mark)
    assert blocks(page("en"), "console") == blocks(page("zh"), "console")
