"""The runs of the benchmark of personal data end with one JSON line; its pages say the same in both languages."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "pii"))

import ordinary  # noqa: E402
import page  # noqa: E402
import run  # noqa: E402
import sentences  # noqa: E402

from fathom.guard import Span  # noqa: E402
from fathom.guard.entities import ENTITIES  # noqa: E402


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(sentences, "SIZES", {"zh": (150, 40), "en": (150, 40)})
    sentences.sentences.cache_clear()
    yield
    sentences.sentences.cache_clear()


def result(capsys, *arguments: str) -> tuple[list[str], dict]:
    sys.argv = ["run.py", *arguments]
    run.main()
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def test_a_run_prints_tables_and_one_json_line(small, capsys) -> None:
    lines, last = result(capsys, "--split", "dev")
    assert last["benchmark"] == "pii"
    assert last["behind"] == []
    assert sum(line.startswith("| PERSON |") for line in lines) >= 2


def test_failures_of_a_type_are_listed(small, capsys) -> None:
    lines, _ = result(capsys, "--misses", "PERSON", "--limit", "3")
    assert [line.split(":")[0] for line in lines if ":" in line[:14]][:1] == ["missed"]
    assert all(line.startswith(("PERSON", "missed", "false alarms")) for line in lines)


def test_another_tool_joins_by_two_files(small, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "--export", str(tmp_path / "sentences.jsonl")])
    run.main()
    asked = [json.loads(line) for line in (tmp_path / "sentences.jsonl").read_text().splitlines()]
    gold = {s.id: s for language in ("zh", "en") for s in sentences.sentences("dev", language)}
    assert [line["text"] for line in asked] == [gold[line["id"]].text for line in asked]
    answers = ({"id": s.id, "spans": [[g.start, g.end, g.type] for g in s.spans]} for s in gold.values())
    (tmp_path / "oracle.jsonl").write_text("\n".join(map(json.dumps, answers)))
    lines, last = result(capsys, "--spans", str(tmp_path / "oracle.jsonl"))
    assert "oracle F1" in lines[2]
    assert any(row.startswith("oracle zh") for row in last["behind"]), "who finds everything is ahead or level"


def test_figures_are_written_between_the_marks_and_nothing_else_changes(small, capsys, tmp_path, monkeypatch) -> None:
    for words in ("en", "zh"):
        (tmp_path / words).mkdir()
        (tmp_path / words / "pii-benchmark.md").write_text(f"# Title\n{page.BEGIN}old\n{page.END}## Limits\n")
    monkeypatch.setattr(page, "DOCS", tmp_path)
    result(capsys, "--docs")
    for words, heading in (("en", "### Chinese, by type"), ("zh", "### 中文，按类别")):
        text = (tmp_path / words / "pii-benchmark.md").read_text("utf-8")
        assert text.startswith("# Title\n" + page.BEGIN)
        assert text.endswith(page.END + "## Limits\n")
        assert heading in text
        assert "old" not in text.splitlines()


def test_the_pages_have_the_same_parts_and_figures_in_both_languages() -> None:
    pages = [(page.DOCS / words / "pii-benchmark.md").read_text("utf-8") for words in ("en", "zh")]
    assert [text.count(page.BEGIN) + text.count(page.END) for text in pages] == [2, 2]
    levels = [re.findall(r"^#+", text, re.M) for text in pages]
    assert levels[0] == levels[1]
    en, zh = (re.findall(r"^\|.*\|$", text, re.M) for text in pages)
    assert [re.findall(r"\d+\.\d", line) for line in en] == [re.findall(r"\d+\.\d", line) for line in zh]


def test_judged_spans_are_short_excerpts_with_a_verdict_and_a_licence() -> None:
    characters, lines = ordinary.judged()
    assert min(characters.values()) >= 60_000
    for line in lines:
        assert line["verdict"] in ("true", "type", "false")
        assert line["type"] in ENTITIES
        assert line["licence"]
        assert len(line["before"]) <= ordinary.AROUND
        assert len(line["after"]) <= ordinary.AROUND
        assert len(line["text"]) <= 80


def test_the_pages_tell_the_count_of_the_judged_spans() -> None:
    counted = ordinary.count(*ordinary.judged())
    row = " | ".join(f"{counted[of]['per_5000']:.2f}" for of in ("zh", "en"))
    for words in ("en", "zh"):
        assert f" | {row} | ≤ 1 |" in (page.DOCS / words / "pii-benchmark.md").read_text("utf-8")


@pytest.mark.slow
def test_the_ordinary_sample_is_the_same_every_time(shared) -> None:
    pieces = ordinary.sample(shared / "data")
    assert pieces == ordinary.sample(shared / "data")
    total = {of: sum(len(p.text) for p in pieces if p.source.language == of) for of in ("zh", "en")}
    assert total == ordinary.judged()[0]


def test_a_span_is_known_again_by_its_surroundings() -> None:
    piece = ordinary.Piece(ordinary.SOURCES[0], "甲" * 20 + "张三" + "乙" * 20)
    line = ordinary.entry(piece, Span(20, 22, "PERSON", 0.9))
    assert (line["before"], line["text"], line["after"]) == ("甲" * 12, "张三", "乙" * 12)
    other = ordinary.entry(piece, Span(20, 22, "ADDRESS", 0.9))
    assert ordinary.key(line) != ordinary.key(other)
