"""The report as one self-contained page: a picture a task, bars with their intervals, no script, nothing to fetch."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from .report import BETTER, Result, chance, figure, mark, remarks, rows
from .titles import title, words

__all__ = ["page"]

_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#17becf")
_NAMES, _PLOT, _FIGURES = 116, 240, 60  # pixels: what stands left of the bars, the bars, what stands right
_BAR, _GAP, _AXIS = 13, 9, 18  # pixels: a bar, between groups, the scale below
_STYLE = """
:root { color-scheme: light; }
body { font: 14px/1.45 system-ui, sans-serif; color: #222; background: #fff; margin: 24px auto; padding: 0 16px;
  max-width: 1320px; }
h1 { font-size: 22px; margin: 0 0 8px; } h2 { font-size: 15px; margin: 0; } p { margin: 4px 0; color: #555; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 20px 24px;
  margin: 20px 0; }
.legend span { display: inline-block; margin-right: 20px; } i { display: inline-block; width: 12px; height: 12px;
  margin-right: 6px; vertical-align: -1px; }
.warn { color: #a40000; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 12px 3px 0; text-align: left; border-bottom: 1px solid #eee; white-space: nowrap; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
"""


@dataclass(frozen=True, slots=True)
class _Bar:
    value: float
    text: str
    interval: tuple[float, float] | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """A bar a model; ``line``: the value to compare with, dashed."""

    name: str
    bars: Sequence[_Bar | None]
    line: float | None


def page(results: Sequence[Result], language: str) -> str:
    heading = html.escape(words("heading", language))
    legend = "".join(
        f'<span><i style="background:{_colour(i)}"></i>{html.escape(_about(result, language))}</span>'
        for i, result in enumerate(results)
    )
    told = "".join(f'<p class="warn">{html.escape(remark)}</p>' for remark in remarks(results, language))
    cards = "".join(_cards(results, language))
    lang = "zh-CN" if language == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{heading}</title><style>{_STYLE}</style></head>\n'
        f'<body><h1>{heading}</h1><p class="legend">{legend}</p><p>{html.escape(words("key", language))}</p>{told}\n'
        f'<div class="cards">{cards}</div>\n<h2>{html.escape(words("numbers", language))}</h2>'
        f'<div class="scroll">{_numbers(results, language)}</div></body></html>\n'
    )


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _about(result: Result, language: str) -> str:
    speed = words("speed", language).format(n=f"{result.tokens_per_s:.0f}") if result.tokens_per_s else None
    return " · ".join(filter(None, (result.label, result.format, speed)))


def _cards(results: Sequence[Result], language: str) -> Iterator[str]:
    """A picture for bits per byte and one a task."""
    if languages := list(dict.fromkeys(lang for result in results for lang in result.bits)):
        groups = []
        for lang in languages:
            found = [result.bits.get(lang) for result in results]
            bars = [_Bar(pair[0], f"{pair[0]:.3f}") if pair else None for pair in found]
            groups.append(_Group(words(lang, language), bars, next(pair[1] for pair in found if pair)))
        most = max(max(bar.value, group.line or 0) for group in groups for bar in group.bars if bar)
        yield _card("bits_per_byte", language, groups, math.ceil(most * 2.5) / 2.5)  # four round steps
    for task, of in groupby(rows(results), key=lambda row: row.task):
        groups = []
        for row in of:
            bars = [
                _Bar(score.score, f"{score.score:.2f}", (score.low, score.high), mark(row, i)) if score else None
                for i, score in enumerate(row.scores)
            ]
            how = "" if row.mode == "likelihood" else f" · {words(row.mode, language)}"
            groups.append(_Group(words(row.lang, language) + how, bars, row.known.chance))
        yield _card(task, language, groups, 1.0)


def _card(task: str, language: str, groups: Sequence[_Group], most: float) -> str:
    name, asked = (html.escape(text) for text in title(task, language))
    height = sum(_BAR * len(group.bars) + _GAP for group in groups)
    parts = [_scale(most, height)]
    top = _GAP / 2
    for group in groups:
        high = _BAR * len(group.bars)
        middle = top + high / 2 + 4
        parts.append(f'<text x="{_NAMES - 8}" y="{middle}" text-anchor="end">{html.escape(group.name)}</text>')
        parts += [_bar(bar, i, top + i * _BAR, most) for i, bar in enumerate(group.bars) if bar]
        if group.line:
            x = _x(group.line, most)
            ends = f'y1="{top - 3}" y2="{top + high + 3}"'
            parts.append(f'<line x1="{x}" x2="{x}" {ends} stroke="#222" stroke-dasharray="3 2"/>')
        top += high + _GAP
    wide, tall = _NAMES + _PLOT + _FIGURES, height + _AXIS
    size = f'width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-size="11" role="img" aria-label="{name}">'
    return f"<div><h2>{name}</h2><p>{asked}</p>{svg}{''.join(parts)}</svg></div>"


def _scale(most: float, height: float) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _x(share * most, most)
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{height}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{height + 13}" text-anchor="middle" fill="#777">{share * most:.3g}</text>')
    return "".join(parts)


def _bar(bar: _Bar, place: int, top: float, most: float) -> str:
    middle, left = top + _BAR / 2, _x(0, most)
    size = f'width="{max(_x(bar.value, most) - left, 0.5):.1f}" height="{_BAR - 2}"'
    parts = [f'<rect x="{left}" y="{top + 1}" {size} fill="{_colour(place)}" fill-opacity="0.75"/>']
    if bar.interval:
        low, high = (_x(end, most) for end in bar.interval)
        ends = f'x1="{low}" x2="{high}"'
        parts.append(f'<line {ends} y1="{middle}" y2="{middle}" stroke="#222" stroke-width="1.5"/>')
    parts.append(f'<text x="{_NAMES + _PLOT + 8}" y="{middle + 4}">{bar.text}</text>')
    if bar.mark:
        fill = "#1a7f37" if bar.mark == BETTER else "#b3261e"
        parts.append(f'<text x="{_NAMES + _PLOT + 38}" y="{middle + 4}" fill="{fill}">{bar.mark}</text>')
    return "".join(parts)


def _x(value: float, most: float) -> float:
    return round(_NAMES + value / most * _PLOT, 1)


def _numbers(results: Sequence[Result], language: str) -> str:
    titles = [words(key, language) for key in ("task", "language", "mode", "n", "chance")]
    head = "".join(f"<th>{html.escape(text)}</th>" for text in (*titles, *(result.label for result in results)))
    body = []
    for row in rows(results):
        names = (title(row.task, language)[0], words(row.lang, language), words(row.mode, language))
        cells = [f"{row.known.n}", chance(row), *(f"{figure(s)} {mark(row, i)}" for i, s in enumerate(row.scores))]
        texts = "".join(f"<td>{html.escape(name)}</td>" for name in names)
        body.append(f"<tr>{texts}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table><tr>{head}</tr>{''.join(body)}</table>"
