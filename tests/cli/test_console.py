"""Tables: aligned, never cut; facts fold to the width of a terminal."""

from __future__ import annotations

import pytest

from fathom.cli.console import table


@pytest.mark.parametrize(("terminal", "lines"), [(True, 3), (False, 1)])
def test_facts_fold_between_words_on_a_terminal_only(monkeypatch, capsys, terminal, lines) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    words = "one two three four five six seven eight nine ten"
    table([("", False), ("", False)], [("numbers", words)], header=False)
    drawn = capsys.readouterr().out.splitlines()
    assert len(drawn) == lines
    assert " ".join(line.removeprefix("numbers").strip() for line in drawn) == words


def test_tables_with_a_header_keep_their_lines(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    table([("name", False), ("size", True)], [("a long name of a model", "1")])
    assert len(capsys.readouterr().out.splitlines()) == 2
