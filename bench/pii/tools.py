"""Who is compared: the program that finds spans, and how its types are called here."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
BY_NAME = {tool.name: tool for tool in (FATHOM, PRESIDIO, LLM_GUARD)}


def renamed(tool: Tool, spans: Iterable[Sequence[Any]]) -> list[Found]:
    """Types of ours; what the table lacks gets a name that is nobody's and no false alarm."""
    if not tool.types:
        return [Found(*span) for span in spans]
    return [Found(start, end, tool.types.get(type, f"~{type}")) for start, end, type in spans]


def program(tool: Tool) -> Path:
    return HERE / f"spans_{tool.name.replace('-', '_')}.py"


def asked(sentences: Iterable[Sentence]) -> str:
    """The sentences as every tool reads them."""
    return "".join(json.dumps({"id": s.id, "language": s.language, "text": s.text}) + "\n" for s in sentences)


def run(tool: Tool, lines: str, peers: Path) -> dict[str, list[Found]]:
    """Spans of each sentence, by its id; a program that fails ends the run with its own message.

    Peers take minutes and do not change: what they answered to these lines lies in ``peers`` and is read again.
    """
    script = HERE / f"spans_{tool.name.replace('-', '_')}.py"
    if tool is FATHOM:
        return spans_of(tool, _answers(sys.executable, script, lines))
    sources = (path.read_text("utf-8") for path in (script, HERE / "pipelines.py", HERE / "peer_types.py"))
    digest = hashlib.sha256("".join((lines, *sources)).encode()).hexdigest()
    kept = peers / f"{tool.name}-{digest[:16]}.jsonl"
    if not kept.exists():
        print(f"pii: {tool.title} reads the sentences, a few minutes", file=sys.stderr)
        kept.write_text(_answers(str(peers / tool.name / "bin" / "python"), script, lines), "utf-8")
    return spans_of(tool, kept.read_text("utf-8"))


def _answers(python: str, script: Path, lines: str) -> str:
    return subprocess.run([python, script], input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout


def spans_of(tool: Tool, answers: str) -> dict[str, list[Found]]:
    """Of lines ``{"id", "spans": [[start, end, type], ...]}``."""
    return {answer["id"]: renamed(tool, answer["spans"]) for answer in map(json.loads, answers.splitlines())}
