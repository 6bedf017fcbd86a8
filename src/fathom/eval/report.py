"""Results of ``fathom eval core`` side by side: as Markdown, and as one page (:mod:`fathom.eval.page`)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Both, FathomError
from ..files import errors_of
from .titles import TASKS, title, words

__all__ = [
    "BETTER",
    "WORSE",
    "Result",
    "Row",
    "Score",
    "chance",
    "figure",
    "load",
    "mark",
    "markdown",
    "remarks",
    "rows",
]

LOWER_IS_BETTER = ("repetition",)
MOST = 1e9  # of any figure: what is larger is damage
BETTER, WORSE = "▲", "▼"


@dataclass(frozen=True, slots=True)
class Score:
    n: int
    score: float
    low: float
    high: float
    chance: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """One model's. ``scores``: by task, language and mode; ``bits``: by language, the model's and those of xz, over
    windows of ``windows`` tokens; ``too_long``: by task, items that did not fit into the context."""

    label: str
    format: str
    items: str  # SHA-256
    limit: int | None
    scores: Mapping[tuple[str, str, str], Score]
    bits: Mapping[str, tuple[float, float]]
    windows: frozenset[int]
    skipped: Mapping[str, str]
    too_long: Mapping[str, int]
    tokens_per_s: float | None

    @classmethod
    def of(cls, raw: Any) -> Result:
        """From what ``fathom eval core --json`` printed; ``ValueError`` says what is wrong with it."""
        top = _table(raw, "the file")
        scores = {}
        for task, languages in _table(top.get("tasks"), "tasks").items():
            for lang, modes in _table(languages, task).items():
                for mode, row in _table(modes, f"{task}.{lang}").items():
                    scores[task, lang, mode] = _score(row, f"{task}.{lang}.{mode}")
        bits, windows = {}, set()
        for lang, row in _table(top.get("bits_per_byte", {}), "bits_per_byte").items():
            where = f"bits_per_byte.{lang}"
            bits[lang] = tuple(_number(_table(row, where).get(name), where, MOST) for name in ("model", "xz"))
            windows |= {_count(row["context"], f"{where}.context")} if "context" in row else set()
        speed = _table(top.get("speed", {}), "speed").get("tokens_per_s")
        speed = None if speed is None else _number(speed, "speed", MOST)
        limit = top.get("limit")
        label, form, suite = (str(top.get(name, "?")) for name in ("model", "format", "items_sha256"))
        return cls(
            label,
            form,
            suite,
            limit if isinstance(limit, int) else None,
            scores,
            {lang: (model, xz) for lang, (model, xz) in bits.items()},
            frozenset(windows),
            {str(name): str(reason) for name, reason in _table(top.get("skipped", {}), "skipped").items()},
            {name: _count(n, f"too_long.{name}") for name, n in _table(top.get("too_long", {}), "too_long").items()},
            speed,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A task in a language and a way of decoding; None for a model that wasn't asked."""

    task: str
    lang: str
    mode: str
    scores: tuple[Score | None, ...]

    @property
    def known(self) -> Score:
        return next(score for score in self.scores if score)


def load(paths: Sequence[Path]) -> list[Result]:
    """Results of files; those of models of one name are called by their files' names.

    Raises ``file_unreadable`` and ``file_malformed``.
    """
    found = []
    for path in paths:
        try:
            with errors_of(path):
                found.append(Result.of(json.loads(path.read_bytes())))
        except (ValueError, RecursionError) as error:
            form = Both("`fathom eval core` result", "`fathom eval core` 结果")
            raise FathomError("file_malformed", path=path, format=form, problem=error) from None
    names = Counter(result.label for result in found)
    return [
        replace(result, label=f"{result.label} ({path.stem})") if names[result.label] > 1 else result
        for path, result in zip(paths, found, strict=True)
    ]


def rows(results: Sequence[Result]) -> list[Row]:
    """All that some model was asked, tasks in the order of :data:`fathom.eval.titles.TASKS`."""
    order = list(TASKS)
    keys = dict.fromkeys(key for result in results for key in result.scores)
    places = {task: i for i, task in enumerate(dict.fromkeys([*order, *(task for task, _, _ in keys)]))}
    ordered = sorted(keys, key=lambda key: places[key[0]])
    return [Row(*key, tuple(result.scores.get(key) for result in results)) for key in ordered]


def mark(row: Row, place: int) -> str:
    """Whether the model at ``place`` differs from the first by more than chance explains: the intervals are apart.

    Never where they were asked different numbers of items.
    """
    first, other = row.scores[0], row.scores[place]
    if place == 0 or first is None or other is None or first.n != other.n:
        return ""
    if other.low <= first.high and first.low <= other.high:
        return ""
    return BETTER if (other.score > first.score) != (row.task in LOWER_IS_BETTER) else WORSE


def chance(row: Row) -> str:
    return "-" if row.known.chance is None else f"{row.known.chance:.3g}"


def figure(score: Score | None) -> str:
    return f"{score.score:.3f} [{score.low:.2f}, {score.high:.2f}]" if score else "-"


def remarks(results: Sequence[Result], language: str) -> Iterator[str]:
    """What stands in the way of a comparison, and what wasn't measured."""
    if len({(result.items, result.limit) for result in results}) > 1:
        yield words("differ", language)
    if len(windows := sorted(set().union(*(result.windows for result in results)))) > 1:
        yield words("windows", language).format(windows=", ".join(map(str, windows)))
    if any(result.limit for result in results):
        yield words("limited", language)
    for result in results:
        for task, reason in result.skipped.items():
            yield f"{words('skipped', language)}: {result.label}, {title(task, language)[0]}: {reason}"
        for task, n in result.too_long.items():
            yield f"{result.label}, {title(task, language)[0]}: {words('too_long', language).format(n=n)}"


def markdown(results: Sequence[Result], language: str) -> str:
    labels = [_plain(result.label) for result in results]
    head = [words(key, language) for key in ("task", "language", "mode", "n", "chance")]
    lines = [[*head, *labels]]
    for row in rows(results):
        names = (title(row.task, language)[0], words(row.lang, language), words(row.mode, language))
        cells = [f"{figure(score)} {mark(row, i)}".strip() for i, score in enumerate(row.scores)]
        lines.append([*map(_plain, names), f"{row.known.n}", chance(row), *cells])
    text = [f"# {words('heading', language)}", _grid(lines, names=3), words("key", language)]
    if languages := list(dict.fromkeys(lang for result in results for lang in result.bits)):
        lines = [[title("bits_per_byte", language)[0], *labels, "xz -9"]]
        for lang in languages:
            found = [result.bits.get(lang) for result in results]
            xz = next(pair[1] for pair in found if pair)
            cells = [f"{pair[0]:.4f}" if pair else "-" for pair in found]
            lines.append([_plain(words(lang, language)), *cells, f"{xz:.4f}"])
        text.append(_grid(lines, names=1))
    return "\n\n".join([*text, *map(_plain, remarks(results, language))]) + "\n"


def _grid(lines: Sequence[Sequence[str]], names: int) -> str:
    """A table of ``names`` columns of text and others of numbers."""
    rule = ["---" if i < names else "---:" for i in range(len(lines[0]))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _plain(text: str) -> str:
    """Text of others on one line that is no markup in Markdown."""
    return re.sub(r"([\\|<>`*_#\[\]])", r"\\\1", " ".join(text.split()))


# what a file must hold


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {type(value).__name__}, not an object")
    return value


def _score(value: Any, where: str) -> Score:
    row = _table(value, where)
    low, score, high = (_number(row.get(name), f"{where}.{name}", 1.0) for name in ("low", "score", "high"))
    n, chance = _count(row.get("n"), f"{where}.n"), row.get("chance")
    return Score(n, score, low, high, None if chance is None else _number(chance, f"{where}.chance", 1.0))


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{where} is {value!r:.40}")
    return value


def _number(value: Any, where: str, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{where} is {value!r:.40}")
    return float(value)
