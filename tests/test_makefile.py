"""On a machine that lacks something, make says what to install and writes nothing to standard output."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[1] / "Makefile"
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def make(folder: Path, target: str = "chat", **settings: str) -> subprocess.CompletedProcess[str]:
    """`make` in a folder that holds the Makefile alone."""
    shutil.copy(MAKEFILE, folder)
    (folder / "pyproject.toml").touch()
    (folder / "CMakeLists.txt").touch()
    command = [str(shutil.which("make")), target, *(f"{name}={value}" for name, value in settings.items())]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env | settings)


def test_old_python_is_named(tmp_path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(tmp_path, PYTHON=str(old))
    assert (done.returncode, done.stdout) == (2, "")
    assert "Python 3.11 or newer is needed" in done.stderr


def test_missing_compiler_is_named(tmp_path) -> None:
    done = make(tmp_path, PYTHON=sys.executable, CXX="no-such-compiler")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no C++ compiler" in done.stderr
    assert "apt install g++" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_python_without_venv_is_named(tmp_path) -> None:
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    done = make(tmp_path, PYTHON=str(bare))
    assert (done.returncode, done.stdout) == (2, "")
    assert "python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(("target", "missing"), [("sanitize", "cmake g++"), ("aarch64", "qemu-user")])
def test_what_the_native_tests_need_is_named(target, missing, tmp_path) -> None:
    done = make(tmp_path, target, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"fathom: {target} needs cmake" in done.stderr
    assert missing in done.stderr.split("install them: sudo apt install ")[1]
    assert not (tmp_path / "build").exists()
