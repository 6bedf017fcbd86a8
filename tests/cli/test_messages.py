"""The catalogue says the same in both languages."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import fathom.cli
from fathom.cli.messages import MESSAGES, say

SOURCES = Path(fathom.cli.__file__).parent


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("key", MESSAGES)
def test_both_languages_have_text_with_the_same_fields(key: str) -> None:
    english, chinese = MESSAGES[key]
    assert english.strip()
    assert chinese.strip()
    assert fields(english) == fields(chinese)
    assert english.isascii()


def test_language_follows_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FATHOM_LANG", "zh_CN.UTF-8")
    assert say("chat.stopped") == "（已停止）"
    monkeypatch.setenv("FATHOM_LANG", "en")
    assert say("chat.stopped") == "(stopped)"


def test_every_message_is_used_and_every_used_one_exists() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES.glob("*.py") if not path.stem.startswith("messages"))
    used = set(re.findall(r"[\"']((?:[a-z_]+\.)?[a-z_]+)[\"']", text))
    families = tuple(re.findall(r"f[\"']([a-z]+\.)\{", text))
    assert {key for key in MESSAGES if key not in used and not key.startswith(families)} == set()
    assert set(re.findall(r"say\(\"([^\"]+)\"", text)) <= set(MESSAGES)
