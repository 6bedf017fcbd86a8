"""What README tells people to type works, in both languages."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "README.zh.md")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.S | re.M)


def commands(page: str) -> list[list[str]]:
    """The words of every ``fathom`` command in the shell blocks, without comments."""
    lines = "\n".join(blocks(page, "sh")).splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [w[w.index("fathom") :] for w in words if "fathom" in w]


def verbs(words: list[str]) -> list[str]:
    """``fathom models show mini --program`` -> ["models", "show"]."""
    return words[1:3] if words[1] in ("data", "eval", "models", "train") else words[1:2]


def test_both_languages_show_the_same_commands_and_code() -> None:
    shapes = [[(verbs(w), [x for x in w if x.startswith("-")]) for w in commands(page)] for page in PAGES]
    assert shapes[0] == shapes[1]
    code = [[re.sub(r"#.*|\".*?\"", "", block) for block in blocks(page, "python")] for page in PAGES]
    assert [c.split() for c in code[0]] == [c.split() for c in code[1]]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_exists(page) -> None:
    assert len(commands(page)) > 8
    for words in commands(page):
        done = subprocess.run(
            [sys.executable, "-m", "fathom.cli", *verbs(words), "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "", "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT / "src")},
        )
        for option in (w for w in words if w.startswith("-")):
            assert option in done.stdout, f"{option} of {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_run_with_the_shipped_model(page, capsys) -> None:
    for code in blocks(page, "python"):
        exec(compile(code, page, "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []
