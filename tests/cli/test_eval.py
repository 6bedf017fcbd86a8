"""``fathom eval``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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


def test_what_is_wrong_is_one_line(fathom, mini, text) -> None:
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
