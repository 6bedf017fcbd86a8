"""The command line called in this process, with bytes on standard input and what it wrote."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fathom.cli import run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def fathom(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Result]:
    """Calls a verb in English with an empty store; ``stdin`` is a pipe with these bytes."""
    monkeypatch.setenv("FATHOM_LANG", "en")
    monkeypatch.setenv("FATHOM_MODELS", str(tmp_path / "store"))

    def call(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def mini(request: pytest.FixtureRequest) -> str:
    """The shipped model, or the one it was made from on a developer's machine."""
    if (ROOT / "src/fathom/assets/mini/config.json").exists():
        return "mini"
    return str(request.getfixturevalue("shared") / "mini")
