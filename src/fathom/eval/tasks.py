"""The tasks of the suite: where their items lie, how each is asked, and what chance would score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..assets import ASSETS
from ..llm import LLM
from .needle import needles

__all__ = ["ITEMS", "LANGUAGES", "TASKS", "Item", "Task", "fingerprint", "items", "prose"]

Item = Mapping[str, Any]
ITEMS = ASSETS / "eval"
LANGUAGES = ("zh", "en")
_RULES = ("needle.py", "scorers.py", "tasks.py", "wording.py")
FRAME = 96  # tokens of a needle's prompt that are the question and the chat's frame


@dataclass(frozen=True, slots=True)
class Task:
    """``how``: by the likelihood of texts, by a choice among labels, or by an answer of at most ``tokens`` tokens.

    ``chance``: the score of guessing; None where there is no such thing. With ``blind``, an answer by language that is
    given whatever is asked, chance is its score. ``parts``: the field by which the score is also given in parts.
    """

    name: str
    how: Literal["likelihood", "choice", "chat", "tools"]
    tokens: int = 0
    chance: float | None = 0.0
    parts: str | None = None
    blind: Mapping[str, str] | None = None


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("minimal_pairs", "likelihood", chance=1 / 2, parts="phenomenon"),
        Task("options", "likelihood", chance=1 / 4),
        Task("needle", "chat", 40, parts="length"),  # first, and everyday next: their answers take longest
        Task("everyday", "chat", 200, chance=None),
        Task("extraction", "chat", 160),
        Task("grounded", "chat", 120, parts="told", blind={"zh": "文中没有提到。", "en": "The text does not say."}),
        Task("arithmetic", "chat", 120, blind={"zh": "8", "en": "8"}),
        Task("constraints", "chat", 160, parts="check", blind={"zh": "OK", "en": "OK"}),
        Task("translation", "chat", 100, blind={"zh": "We are going to the park today.", "en": "今天我们去公园。"}),
        Task("tables", "chat", 60, blind={"zh": "2", "en": "2"}),
        Task("tools", "tools", 120),
        Task("intents", "choice", 40, chance=1 / 6),
    )
}


def items(task: str, llm: LLM, limit: int | None = None) -> list[Item]:
    """The items of a task, the first ``limit`` of each language; a needle's length hangs on the model's tokenizer."""
    if task == "needle":
        found = [item for lang in LANGUAGES for item in needles(llm, lang, prose(lang).read_text("utf-8"), FRAME)]
    else:
        found = [json.loads(line) for line in (ITEMS / f"{task}.jsonl").read_text("utf-8").splitlines()]
    if task == "grounded":
        found = [item | {"told": "not in the text" if item["quote"] is None else "in the text"} for item in found]
    return [item for lang in LANGUAGES for item in [item for item in found if item["lang"] == lang][:limit]]


def prose(language: str) -> Path:
    """A text for bits per byte."""
    return ITEMS / f"prose_{language}.txt"


def fingerprint() -> str:
    """SHA-256 over names and contents of all files of the suite and of the modules that make and score items: equal
    ones make scores comparable."""
    digest = hashlib.sha256()
    for path in (*sorted(ITEMS.iterdir()), *map(Path(__file__).with_name, _RULES)):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
