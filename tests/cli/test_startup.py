"""Help is quick: it imports neither numpy nor anything that computes."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = ("numpy", "torch", "tokenizers", "safetensors", "gguf", "huggingface_hub", "fastapi", "jinja2", "httpx")
CALL = """
import sys
from fathom.cli import main
sys.argv = ["fathom", *{arguments!r}]
try:
    main()
except SystemExit as leave:
    assert leave.code == 0
print("|".join(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["chat", "--help"], ["models", "show", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    heavy = (*HEAVY, "fathom.llm", "fathom._native", "fathom.engine", "fathom.weights.checkpoint", "fathom.model")
    code = CALL.format(arguments=arguments, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    assert done.stderr.strip() == ""


def test_help_of_chat_is_there_in_a_moment() -> None:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fathom.cli", "chat", "--help"], capture_output=True, check=True)
        return time.perf_counter() - started

    assert min(once() for _ in range(3)) < 1.5  # 0.6 s on a quiet machine; tests share theirs
