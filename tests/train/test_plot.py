"""The page of a run."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fathom.errors import FathomError
from fathom.train.log import Log, read_log
from fathom.train.plot import draw
from fathom.train.run import plot


def lines(count: int) -> list[dict[str, object]]:
    plain = [{"step": i, "loss": 9 / (i + 1), "rate": 0.1, "norm": 1.0} for i in range(count)]
    mark = {"tokens_per_s": 1e6, "load": [[1.0, 1.2], [0.9, 1.1]]}
    return [{**line, **(mark if i % 5 == 4 else {})} for i, line in enumerate(plain)]


def test_the_page_is_whole_and_fetches_nothing(tmp_path: Path) -> None:
    run = tmp_path / "a<b"
    run.mkdir()
    Log(run / "metrics.jsonl").write(lines(2000))
    Log(run / "heldout.jsonl").write([{"step": 10, "zh": 2.0, "en": 1.5}, {"step": 20, "zh": 1.8, "en": 1.4}])
    page = draw(run)
    assert len(page) < 200_000
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    for svg in page.split("<body>")[1].split("</body>")[0].strip().splitlines():
        ElementTree.fromstring(svg)
    assert "a&lt;b" in page
    for title in ("loss", "rate", "expert load", "tokens a second", "bits per byte"):
        assert title in page


def test_one_step_or_none(tmp_path: Path) -> None:
    Log(tmp_path / "metrics.jsonl").write(lines(1))
    assert "<polyline" in draw(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(FathomError, match="no steps"):
        draw(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(FathomError):
        draw(tmp_path)


def test_lines_that_are_no_steps_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(
        b'[1]\n3\n{"step": "x"}\n\xff\n' + b"[" * 100_000 + b'\n{"step": 0, "loss": 1}\n'
    )
    assert read_log(tmp_path / "metrics.jsonl") == [{"step": 0, "loss": 1}]
    assert "<polyline" in plot(tmp_path).read_text("utf-8")
    with pytest.raises(FathomError):
        plot(tmp_path, tmp_path / "none" / "plot.html")
    with pytest.raises(FathomError):
        plot(tmp_path, tmp_path)


def test_a_resumed_log_has_every_step_once_and_no_torn_line(tmp_path: Path) -> None:
    log = Log(tmp_path / "m.jsonl")
    log.resume(3)  # nothing there yet
    log.write(lines(6))
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    log.resume(4)
    log.write(lines(6)[4:])
    assert [line["step"] for line in read_log(tmp_path / "m.jsonl")] == list(range(6))
