"""Pages of the documentation run as they are written: consoles in a shell, Python in this process, HTTP answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHIM = f'#!/bin/sh\nexec "{sys.executable}" -m fathom.cli "$@"\n'


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run_consoles(page: Path, folder: Path, environment: Mapping[str, str] = {}) -> None:
    """Each ``$ command`` must print what stands below it. ``$ cat FILE`` of a file that isn't there makes it."""
    tools = folder / ".tools"
    tools.mkdir()
    (tools / "fathom").write_text(SHIM)
    (tools / "fathom").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        **environment,
    }
    for block in blocks(page, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            shown = re.fullmatch(r"cat (\S+)", command)
            if shown and not (folder / shown[1]).exists():
                (folder / shown[1]).write_text(expected, "utf-8")
                continue
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}: {done.stderr}"
            assert done.stdout.rstrip("\n") == expected.rstrip("\n"), command
