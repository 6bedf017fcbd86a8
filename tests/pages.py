"""Pages of the documentation run as they are written: consoles in a shell, each in the folder of the test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def fences(page: Path) -> list[tuple[str, str]]:
    """(language, text) of every block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in fences(page) if kind == language]


def shell(folder: Path) -> dict[str, str]:
    """An environment where ``fathom`` and ``python`` are these, and the user has nothing."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    for name, command in (("fathom", f'"{sys.executable}" -m fathom.cli'), ("python", f'"{sys.executable}"')):
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("FATHOM_")},
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "FATHOM_LANG": "en",
    }


def run_console(block: str, folder: Path) -> None:
    """Each ``$ command`` must print what stands below it. ``$ cat FILE`` of a file that isn't there makes it."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        whole = re.match(r'(?:[^"\n]|"[^"]*")*', step)  # to the end of the line, or of what is quoted over lines
        assert whole is not None
        command, expected = whole[0], step[whole.end() + 1 :]
        shown = re.fullmatch(r"cat (\S+)", command)
        if shown and not (folder / shown[1]).exists():
            (folder / shown[1]).write_text(expected, "utf-8")
            continue
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=shell(folder), capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert done.stdout.rstrip("\n") == expected.rstrip("\n"), command
