"""The page of the types: complete, and every example is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fathom.guard.entities import ENTITIES
from fathom.guard.scan import Scanner

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCANNER = Scanner(ENTITIES)


def rows(language: str) -> list[tuple[str, str]]:
    text = (DOCS / language / "entities.md").read_text(encoding="utf-8")
    return re.findall(r"(?m)^\| `([A-Z_]+)`\*? \| [^|]+ \| (?:`([^`]+)`)? ?\|", text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_type_has_its_row_in_order(language) -> None:
    assert [type for type, _ in rows(language)] == [*ENTITIES]


@pytest.mark.parametrize(("type", "example"), [row for language in ("zh", "en") for row in rows(language) if row[1]])
def test_every_example_of_the_page_is_found(type, example) -> None:
    assert type in {span.type for span in SCANNER.find(example)}
