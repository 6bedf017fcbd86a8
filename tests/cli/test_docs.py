"""The pages of the command line are what the program says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_reference_page_is_current(language: str) -> None:
    env = {**os.environ, "FATHOM_LANG": language, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, ROOT / "docs/generate.py"], capture_output=True, env=env, check=True)
    page = (ROOT / f"docs/{language}/cli.md").read_bytes()
    assert done.stdout.decode() == page.decode(), "run `make docs`"
