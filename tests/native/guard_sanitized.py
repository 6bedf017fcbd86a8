"""Runs the tests of csrc/guard with a module compiled for sanitizers in place of the installed one.

python tests/native/guard_sanitized.py FOLDER      FOLDER: where cmake put _guard; `make sanitize-guard` calls it
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import fathom

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("test_native.py", "test_literals.py", "test_stream.py", "test_numbers.py", "test_page.py")


def main(folder: str) -> int:
    path = str(Path(folder) / f"_guard{EXTENSION_SUFFIXES[0]}")
    spec = spec_from_file_location("fathom._guard", path, loader=ExtensionFileLoader("fathom._guard", path))
    assert spec is not None
    assert spec.loader is not None
    sys.modules["fathom._guard"] = fathom._guard = module_from_spec(spec)
    spec.loader.exec_module(fathom._guard)
    code = pytest.main(["-q", "-k", "not time_grows", *(str(ROOT / "tests/guard" / name) for name in TESTS)])
    assert sys.modules["fathom._guard"].__file__ == path
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
