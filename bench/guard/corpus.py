"""Reading the training corpora, and the names of places."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from fathom.assets import ASSETS

HAN = "\u4e00-\u9fff"
_TEXT_KEYS = {"text", "instruction", "output", "messages", "content", "turns", "title", "body", "zh", "en", "question"}


def rows(folder: Path, name: str) -> Iterator[Any]:
    with open(folder / f"{name}.jsonl.zst", "rb") as raw:
        yield from map(json.loads, io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8"))


def _words_of(row: Any) -> str:
    """All the text of a record, whatever its shape."""
    if isinstance(row, str):
        return row
    if isinstance(row, list):
        return "\n".join(map(_words_of, row))
    if isinstance(row, dict):
        return "\n".join(_words_of(value) for key, value in row.items() if key in _TEXT_KEYS)
    return ""


def texts(folder: Path, name: str, limit: int) -> Iterator[str]:
    """The texts of one file, until they have so many characters together."""
    size = 0
    for row in rows(folder, name):
        text = _words_of(row)[:20_000]
        size += len(text)
        yield text
        if size > limit:
            return


def ordinary(folder: Path, zh: bool) -> list[str]:
    """Pieces of sentences that hold no names of persons, nearly."""
    if zh:
        names = ("zh_ms_docs/docs-02", "zh_recipes/docs", "crosswoz/dialogues", "ms_support_zh/articles")
        split, fits = "[，。；！？\n]", re.compile(rf"(?=.{{4,20}}$).*[{HAN}]{{4}}")
    else:
        names = ("intents_en/CLINC150", "intents_en/BANKING77", "python_docs_en_zh/pairs")
        split, fits = "[,.;!?\n]", re.compile(r"[ -~]{10,60}$")
    pieces = (
        piece.strip() for name in names for text in texts(folder, name, 600_000) for piece in re.split(split, text)
    )
    return [piece for piece in pieces if fits.match(piece)]


def lines(path: Path) -> list[str]:
    """The lines of a text file without comments and empty lines."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("# ")]


def all_places() -> list[str]:
    """Full and short names of the provinces, prefectures and counties of China."""
    full = [line.split() for line in lines(ASSETS / "guard" / "places.txt")]
    cut = re.compile("(?:.{1,4}族自治州|(?:壮族|回族|维吾尔)?自治区|特别行政区|地区|省|市|盟)$")
    short = [cut.sub("", place) for place in full[0] + full[1]]
    short += [place[:-1] for place in full[2] if place[-1] in "市县区" and len(place) > 2]
    return sorted({place for level in (*full, short) for place in level if len(place) > 1})
