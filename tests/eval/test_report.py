"""Models side by side: figures, marks, both languages, and files that are no results."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.eval.page import page
from fathom.eval.report import Result, load, markdown
from fathom.eval.tasks import TASKS
from fathom.eval.titles import TASKS as TITLES
from fathom.eval.titles import TEXTS


def row(score: float, n: int = 60, chance: float | None = 0.0) -> dict[str, Any]:
    low, high = max(score - 0.1, 0.0), min(score + 0.1, 1.0)
    return {"n": n, "score": score, "low": low, "high": high, "chance": chance}


def result(model: str, tables: float, repetition: float = 0.1, **more: Any) -> dict[str, Any]:
    tasks = {
        "repetition": {"en": {"greedy": row(repetition, chance=None)}},
        "tables": {"zh": {"greedy": row(tables), "sampled": row(0.5)}},
    }
    bits = {"zh": {"model": 1.5, "xz": 4.2, "bytes": 9}}
    return {"model": model, "format": "int8", "items_sha256": "a", "tasks": tasks, "bits_per_byte": bits, **more}


def written(folder: Path, *results: Any) -> list[Path]:
    paths = [folder / f"{i}.json" for i in range(len(results))]
    for path, one in zip(paths, results, strict=True):
        path.write_text(json.dumps(one))
    return paths


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {start}")]


class Tags(HTMLParser):
    """Notes what a page holds, and that what is opened is closed."""

    VOID = ("meta", "line", "rect", "i")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    return tags


def test_a_difference_is_marked_where_the_intervals_are_apart(tmp_path: Path) -> None:
    models = [result("a", 0.5), result("b", 0.9, 0.6), result("c", 0.2, 0.1), result("d", 0.69)]
    text = markdown(load(written(tmp_path, *models)), "en")
    (greedy, sampled), (repetition,) = lines(text, "Tables"), lines(text, "Repetition")
    assert [cell.strip() for cell in greedy.split("|")[6:-1]] == [
        *("0.500 [0.40, 0.60]", "0.900 [0.80, 1.00] ▲", "0.200 [0.10, 0.30] ▼", "0.690 [0.59, 0.79]")
    ]
    assert "▲" not in sampled + markdown(load(written(tmp_path, models[0])), "en").split("Bars:")[0]
    assert repetition.count("▼") == 1  # more of it is worse
    assert "▲" not in repetition
    assert lines(text, "Chinese") == ["| Chinese | 1.5000 | 1.5000 | 1.5000 | 1.5000 | 4.2000 |"]


def test_scores_of_different_numbers_of_items_are_never_marked(tmp_path: Path) -> None:
    few = result("b", 0.9)
    few["tasks"]["tables"]["zh"]["greedy"] = row(0.9, n=2)
    greedy, _ = lines(markdown(load(written(tmp_path, result("a", 0.5), few)), "en"), "Tables")
    assert "0.900 [0.80, 1.00]" in greedy
    assert "▲" not in greedy


def test_what_does_not_compare_is_said(tmp_path: Path) -> None:
    same = markdown(load(written(tmp_path, result("a", 0.5), result("b", 0.5))), "en")
    assert "don't compare" not in same
    other = load(written(tmp_path, result("a", 0.5), result("b", 0.5, items_sha256="b")))
    assert "don't compare" in markdown(other, "en")
    assert "don't compare" in page(other, "en").replace("&#x27;", "'")
    bits = [{"bits_per_byte": {"zh": {"model": 1.5, "xz": 4.2, "context": context}}} for context in (512, 4096, 512)]
    models = load(written(tmp_path, *(result("a", 0.5) | more for more in bits)))
    assert "windows of 512, 4096 tokens" in markdown(models, "en")
    assert "windows of" not in markdown([models[0], models[2]], "en")
    partly = result("a", 0.5, limit=3, skipped={"tools": "no template"}, too_long={"needle": 16})
    few = markdown(load(written(tmp_path, partly)), "en")
    assert "Only some of the items" in few
    assert "a, Needle: too long for the context, counted as failed: 16" in few
    assert "left out: a, Tool calls: no template" in few


def test_models_of_one_name_are_called_by_their_files(tmp_path: Path) -> None:
    found = load(written(tmp_path, result("mini", 0.5), result("mini", 0.6), result("other", 0.7)))
    assert [one.label for one in found] == ["mini (0)", "mini (1)", "other"]


def test_a_model_that_was_not_asked_has_a_gap(tmp_path: Path) -> None:
    bare = {"model": "b", "tasks": {"needle": {"en": {"greedy": row(0.25)}}}}
    found = load(written(tmp_path, result("a", 0.5), bare))
    text = markdown(found, "en")
    assert lines(text, "Needle")[0].endswith("| - | 0.250 [0.15, 0.35] |")
    assert lines(text, "Tables")[0].endswith("| 0.500 [0.40, 0.60] | - |")
    assert "0.25" in page(found, "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_one_file_with_a_picture_a_task(tmp_path: Path, language: str) -> None:
    found = load(written(tmp_path, result("a", 0.5), result("b", 0.9)))
    text = page(found, language)
    tags = parsed(text)
    assert (tags.seen.count("svg"), tags.seen.count("rect")) == (3, 2 * (2 + 1 + 1))
    assert not {"script", "link", "img", "iframe"} & set(tags.seen)
    assert not any(name in ("src", "href") or name.startswith("on") for name, _ in tags.attributes)
    assert TITLES["tables"][0][language == "zh"] in tags.texts
    assert "▲" in tags.texts
    assert parsed(page(load(written(tmp_path, {"model": "x", "tasks": {}})), language)).seen.count("svg") == 0


def test_bars_intervals_and_chance_stand_at_their_values(tmp_path: Path) -> None:
    tasks = {"options": {"en": {"likelihood": row(0.5, chance=0.25)}}, "tables": {"en": {"greedy": row(1.0)}}}
    text = page(load(written(tmp_path, {"model": "a", "tasks": tasks})), "en")
    options, tables = text.split("<svg")[1:]
    assert re.findall(r'<rect x="(\S+)" y="\S+" width="(\S+)"', options + tables) == [
        ("116.0", "120.0"),
        ("116.0", "240.0"),
    ]
    assert 'x1="212.0" x2="260.0"' in options  # 0.4 to 0.6 of 240 pixels from 116 on
    assert 'x1="176.0" x2="176.0"' in options.split("stroke-dasharray")[0].rsplit("<line", 1)[1]
    assert "stroke-dasharray" not in tables


def test_every_task_has_words_in_both_languages() -> None:
    assert set(TITLES) == {*TASKS, "repetition", "bits_per_byte"}
    for pair in [*TEXTS.values(), *(pair for pairs in TITLES.values() for pair in pairs)]:
        assert all(text.strip() for text in pair)
        assert pair[0].replace("▲", "").replace("▼", "").isascii()


@given(name=st.text(max_size=30), task=st.text(max_size=20))
def test_names_of_others_are_text_and_not_markup(
    tmp_path_factory: pytest.TempPathFactory, name: str, task: str
) -> None:
    raw = {"model": f"<script>{name}|", "tasks": {task: {name: {"<b>": row(0.5)}}}, "skipped": {task: name}}
    found = [Result.of(raw)]
    tags = parsed(page(found, "en"))
    assert not {"script", "b"} & set(tags.seen)
    text = markdown(found, "en")
    assert "<" not in text.replace("\\<", "")
    (line,) = [line for line in text.splitlines() if "0.500" in line]
    assert line.replace("\\\\", "").replace("\\|", "").count("|") == 7


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ([], "the file is list"),
        ({}, "tasks is NoneType"),
        ({"tasks": {"a": 1}}, "a is int"),
        ({"tasks": {"a": {"en": {"greedy": []}}}}, "a.en.greedy is list"),
        ({"tasks": {"a": {"en": {"greedy": row(0.5) | {"score": "1"}}}}}, "a.en.greedy.score is '1'"),
        ({"tasks": {"a": {"en": {"greedy": row(0.5) | {"high": float("nan")}}}}}, "a.en.greedy.high is nan"),
        ({"tasks": {"a": {"en": {"greedy": row(0.5) | {"low": 2}}}}}, "a.en.greedy.low is 2"),
        ({"tasks": {"a": {"en": {"greedy": row(0.5) | {"n": 0}}}}}, "a.en.greedy.n is 0"),
        ({"tasks": {"a": {"en": {"greedy": row(0.5) | {"n": True}}}}}, "a.en.greedy.n is True"),
        ({"tasks": {}, "bits_per_byte": {"zh": {"model": float("inf"), "xz": 1}}}, "bits_per_byte.zh is inf"),
        ({"tasks": {}, "bits_per_byte": {"zh": {}}}, "bits_per_byte.zh is None"),
        ({"tasks": {}, "bits_per_byte": {"zh": {"model": 10**400, "xz": 1}}}, "bits_per_byte.zh is 1000"),
        ({"tasks": {}, "speed": 3}, "speed is int"),
        ({"tasks": {}, "too_long": {"needle": "all"}}, "too_long.needle is 'all'"),
        ({"tasks": {}, "speed": {"tokens_per_s": "fast"}}, "speed is 'fast'"),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, raw: Any, problem: str) -> None:
    with pytest.raises(FathomError) as caught:
        load(written(tmp_path, raw))
    assert caught.value.code == "file_malformed"
    assert problem in str(caught.value)


def test_files_that_are_no_json_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for content in (b"", b"\xff", b"{", b"[" * 100_000, b'{"tasks": {}'):
        path.write_bytes(content)
        with pytest.raises(FathomError, match=r"r\.json"):
            load([path])
    with pytest.raises(FathomError, match="No such file"):
        load([tmp_path / "none"])
