"""``fathom eval``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import small_suite

TEXT = "The library opens at ten on weekdays.\n图书馆工作日十点开门。\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(TEXT, "utf-8")
    return tmp_path / "a.txt"


def test_bits_per_byte_of_files_together_and_each(fathom, mini, text) -> None:
    one = json.loads(fathom("eval", "bpb", "-m", mini, "--text", text, "--json").out)
    assert 0 < one["bits_per_byte"] < one["xz"]
    assert (one["bytes"], one["windows"], one["model"]) == (len(TEXT.encode()), 1, mini)
    other = text.with_name("b.txt")
    other.write_text("z q x j " * 9)
    two = json.loads(fathom("eval", "bpb", "-m", mini, "--text", text, "--text", other, "--context", "8", "--json").out)
    first, second = two["files"]
    assert two["bytes"] == first["bytes"] + second["bytes"]
    assert two["bits_per_byte"] * two["bytes"] == pytest.approx(
        first["bits_per_byte"] * first["bytes"] + second["bits_per_byte"] * second["bytes"]
    )
    table = fathom("eval", "bpb", "-m", mini, "--text", text, "--text", other).out
    assert "bits per byte" in table
    assert "all" in table.splitlines()[-1]


def test_the_suite_is_run_kept_and_set_side_by_side(fathom, mini, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("fathom.eval.tasks.ITEMS", small_suite.write(tmp_path / "eval"))
    out, answers = tmp_path / "r.json", tmp_path / "answers.jsonl"
    asked = ("eval", "core", "-m", mini, "--tasks", "tables, minimal_pairs,bits_per_byte", "--limit", "1")
    done = fathom(*asked, "--out", out, "--answers", answers, "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result == json.loads(out.read_text())
    assert list(result["tasks"]) == ["minimal_pairs", "tables"]
    kept = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    assert [(row["task"], row["lang"], row["mode"]) for row in kept] == [
        *(("minimal_pairs", lang, "likelihood") for lang in ("zh", "en")),
        *(("tables", lang, mode) for lang in ("zh", "en") for mode in ("greedy", "sampled")),
    ]
    shown = fathom("eval", "core", "-m", mini, "--tasks", "tables,bits_per_byte")
    assert ("Tables" in shown.out, "Bits per byte" in shown.out) == (True, True)
    side_by_side = fathom("eval", "report", out, out).out
    assert "| task | language | decoding | n | chance | mini (r) | mini (r) |" in side_by_side
    for name in ("report.html", "report.md"):
        assert fathom("eval", "report", out, "--out", tmp_path / name).out.strip() == str(tmp_path / name)
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "report.md").read_text("utf-8").startswith("# How good")


def test_what_is_wrong_with_a_suite_or_a_report_is_one_line(fathom, mini, tmp_path) -> None:
    (tmp_path / "r.json").write_text("[]")
    (tmp_path / "good.json").write_text('{"tasks": {}}')
    (tmp_path / "d.md").mkdir()
    for arguments, code, told in (
        (("core", "--tasks", "mmlu"), 2, "'mmlu' is unknown"),
        (("core", "--tasks", ""), 2, "'' is unknown"),
        (("core", "--limit", "0"), 2, "--limit"),
        (("core", "--out", tmp_path / "no" / "r.json"), 1, "No such file"),
        (("core", "--answers", tmp_path), 1, "it is a folder"),
        (("core", "--out", tmp_path / "r.json", "--answers", tmp_path / "r.json"), 1, "is being written"),
        (("report", tmp_path / "good.json", "--out", tmp_path / "d.md"), 1, "it is a folder"),
        (("core", "-m", "none"), 1, "no model 'none'"),
        (("report",), 2, "RESULT.json... is missing"),
        (("report", tmp_path / "none"), 1, "No such file"),
        (("report", tmp_path / "r.json"), 1, "the file is list"),
        (("report", tmp_path / "r.json", "--out", tmp_path / "r.pdf"), 2, "r.pdf ends neither in .html nor in .md"),
    ):
        result = fathom("eval", *arguments)
        assert (result.code, told in result.err) == (code, True), result.err
        assert len(result.err.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.md", "good.json", "r.json"]
    assert (tmp_path / "r.json").read_text() == "[]"


def test_what_is_wrong_with_a_text_is_one_line(fathom, mini, text) -> None:
    for arguments, code, told in (
        (("--text", text.parent), 1, "no regular file"),
        (("--text", text.with_name("none")), 1, "No such file"),
        (("--text", text, "--context", "99999"), 2, "the model's context"),
        (("--text", text, "--context", "1"), 2, "--context"),
        ((), 2, "--text is missing"),
        (("--text", text, "-m", "none"), 1, "no model 'none'"),
    ):
        result = fathom("eval", "bpb", "-m", mini, *arguments)
        assert (result.code, told in result.err) == (code, True), result.err
        assert len(result.err.strip().splitlines()) == 1
