"""The data card: where everything comes from, under which licence, what was kept and what left out, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .recipe import Recipe, Source
from .tokens import TokenSet

__all__ = ["Tally", "write_card"]


@dataclass
class Tally:
    """What became of the documents of a source."""

    kept: int = 0
    bytes: int = 0  # of text, UTF-8
    left_out: Counter[str] = field(default_factory=Counter)  # by reason


def write_card(
    folder: Path, recipe: Recipe, tallies: Mapping[Source, Tally], sets: Mapping[str, TokenSet], held: set[str]
) -> None:
    """``card.json`` for programs and ``CARD.md`` for people."""
    made = {name: dict(one.meta) | {"held_out": name in held} for name, one in sets.items()}
    sources = [asdict(s) | {"kept": t.kept, "bytes": t.bytes, "left_out": dict(t.left_out)} for s, t in tallies.items()]
    card = {"name": recipe.name, "seed": recipe.seed, "against": recipe.against, "sets": made, "sources": sources}
    (folder / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", "utf-8")
    lines = [f"# {recipe.name}", "", "| set | documents | tokens | SHA-256 |", "|---|---:|---:|---|"]
    for name, one in sets.items():
        note = " (held out)" if name in held else ""
        lines.append(f"| {name}{note} | {one.documents:,} | {len(one):,} | {one.hash[:16]} |")
    lines += ["", "| set | origin | licence | form | kept | left out |", "|---|---|---|---|---:|---|"]
    for source, tally in tallies.items():
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in tally.left_out.most_common())
        row = (source.set, source.origin, source.licence, source.form, f"{tally.kept:,}", reasons)
        lines.append(f"| {' | '.join(row)} |")
    (folder / "CARD.md").write_text("\n".join(lines) + "\n", "utf-8")
