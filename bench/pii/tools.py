"""Who is compared: the program that finds spans, and how its types are called here."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import peer_types
from scoring import Found
from sentences import Sentence

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / "build" / "pii-peers"  # where peers.sh makes an environment for each


class Tool(NamedTuple):
    name: str
    title: str
    types: Mapping[str, str]  # theirs to ours, see peer_types.py; nothing where they are the same


FATHOM = Tool("fathom", "fathom", {})
PRESIDIO = Tool("presidio", "Presidio", peer_types.PRESIDIO)
LLM_GUARD = Tool("llm-guard", "LLM Guard", peer_types.LLM_GUARD)


def renamed(tool: Tool, spans: Iterable[tuple[int, int, str]]) -> list[Found]:
    """Types of ours; what the table lacks gets a name that is nobody's and no false alarm."""
    if not tool.types:
        return [Found(*span) for span in spans]
    return [Found(start, end, tool.types.get(type, f"~{type}")) for start, end, type in spans]


def program(tool: Tool) -> Path:
    return HERE / f"spans_{tool.name.replace('-', '_')}.py"


def run(tool: Tool, sentences: Iterable[Sentence], peers: Path | None) -> dict[str, list[Found]]:
    """Spans of each sentence, by its id; a program that fails ends the run with its own message.

    Peers take minutes and do not change: what they answered to these sentences lies in ``peers`` and is read again.
    """
    lines = "".join(json.dumps({"id": s.id, "language": s.language, "text": s.text}) + "\n" for s in sentences)
    if tool is FATHOM or peers is None:
        answers = answer(sys.executable, program(tool), lines)
    else:
        asked = hashlib.sha256((lines + program(tool).read_text("utf-8")).encode()).hexdigest()
        kept = peers / f"{tool.name}-{asked[:16]}.jsonl"
        if not kept.exists():
            print(f"pii: {tool.title} reads the sentences, a few minutes", file=sys.stderr)
            text = answer(str(peers / tool.name / "bin" / "python"), program(tool), lines)
            kept.write_text(text, "utf-8")
        answers = kept.read_text("utf-8")
    return spans_of(tool, answers)


def answer(python: str, script: Path, lines: str) -> str:
    return subprocess.run([python, script], input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout


def spans_of(tool: Tool, lines: str) -> dict[str, list[Found]]:
    answers = map(json.loads, lines.splitlines())
    return {answer["id"]: renamed(tool, answer["spans"]) for answer in answers}
