"""A run as one self-contained page of SVG: loss, rate, expert load, throughput; no script, nothing to fetch."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import Both, FathomError
from .log import read_log

__all__ = ["draw"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 240, 56, 28, 24  # pixels of a panel and its margins
_POINTS = 600  # a curve is averaged to this many
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")

Curve = tuple[str, list[tuple[float, float]]]


def draw(run: Path) -> str:
    """The page of the run in that folder; ``file_unreadable`` where it has no metrics."""
    path = run / "metrics.jsonl"
    lines = read_log(path)
    if not lines:
        raise FathomError("file_unreadable", path=path, problem=Both("no steps in it", "其中没有训练步"))
    marks = [line for line in lines if "tokens_per_s" in line]
    layers = range(max((len(line["load"]) for line in marks), default=0))
    heldout = read_log(run / "heldout.jsonl") if (run / "heldout.jsonl").exists() else []
    names = sorted({name for line in heldout for name in line if name != "step"})
    panels = [
        _panel("loss (nats a token)", [("loss", _curve(lines, "loss"))]),
        _panel("rate", [("rate", _curve(lines, "rate"))]),
        _panel("gradient norm", [("norm", _curve(lines, "norm"))]),
        _panel(
            "expert load, max / mean",
            [(f"layer {i}", [(m["step"], max(m["load"][i])) for m in marks if len(m["load"]) > i]) for i in layers],
        ),
        _panel("tokens a second", [("tokens a second", _curve(marks, "tokens_per_s"))]),
        _panel("held-out bits per byte", [(n, [(h["step"], h[n]) for h in heldout if n in h]) for n in names]),
    ]
    title = html.escape(run.name)
    body = "\n".join(panel for panel in panels if panel)
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return f"<!doctype html>\n<html>{head}\n<body>\n{body}\n</body></html>\n"


def _curve(lines: Sequence[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    return [(line["step"], line[key]) for line in lines if key in line]


def _panel(title: str, curves: list[Curve]) -> str:
    """An SVG of curves over the step; empty where there is nothing to draw."""
    drawn = [(name, _thinned(points)) for name, points in curves if points]
    if not drawn:
        return ""
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points]
    left, right, low, high = min(xs), max(max(xs), min(xs) + 1), min(ys), max(ys)
    if high <= low:
        low, high = low - abs(low) / 2 - 1e-9, high + abs(high) / 2 + 1e-9

    def place(x: float, y: float) -> str:
        across = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - 8)
        return f"{across:.1f},{_HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _BOTTOM - _TOP):.1f}"

    parts = [f'<text x="{_LEFT}" y="16" font-weight="bold">{html.escape(title)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value, step = low + share * (high - low), left + share * (right - left)
        y = place(left, value).split(",")[1]
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{y}" text-anchor="end">{value:.3g}</text>')
        x = place(step, low).split(",")[0]
        parts.append(f'<text x="{x}" y="{_HEIGHT - 8}" text-anchor="middle">{step:.0f}</text>')
    for i, (name, points) in enumerate(drawn):
        colour = _COLOURS[i % len(_COLOURS)]
        line = " ".join(place(x, y) for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        if len(drawn) > 1:
            end = _WIDTH - 8 - 80 * (len(drawn) - i - 1)
            parts.append(f'<text x="{end}" y="16" fill="{colour}" text-anchor="end">{html.escape(name)}</text>')
    style = 'font-family="sans-serif" font-size="11"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" {style}>{"".join(parts)}</svg>'


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of equal stretches, so that a long run stays a small page."""
    stretch = max(1, len(points) // _POINTS)
    parts = [points[i : i + stretch] for i in range(0, len(points), stretch)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]
