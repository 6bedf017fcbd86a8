"""Rules of the house that a machine can check: sizes, rooms, names that must not leak."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fathom.errors import CODES, FathomError

ROOT = Path(__file__).resolve().parents[1]
CORE = ("csrc", *(f"src/fathom/{room}" for room in ("model", "weights", "engine", "reference", "text")))


def tracked(*patterns: str) -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def lines(path: Path) -> int:
    return path.read_text("utf-8").count("\n")


def test_core_stays_under_ten_thousand_lines() -> None:
    code = [p for p in tracked(*CORE) if p.suffix in (".py", ".cpp", ".h", ".inl") and "guard" not in p.parts]
    assert sum(map(lines, code)) < 10_000


def test_no_source_file_has_more_than_600_lines() -> None:
    code = [p for p in tracked("src", "csrc", "tests", "bench") if p.suffix in (".py", ".cpp", ".h", ".inl")]
    assert [f"{p.relative_to(ROOT)}: {n}" for p in code if (n := lines(p)) > 600] == []


def test_tracked_tree_stays_under_60_mib() -> None:
    assert sum(p.stat().st_size for p in tracked()) < 60 << 20


def test_no_machine_path_leaks_into_the_project() -> None:
    leak = re.compile(r"(?<![\w.])/(?:home|root|tmp)/[a-z]")
    text = [p for p in tracked() if p.suffix in (".py", ".md", ".toml", ".cpp", ".h", ".yml", "")]
    found = [str(p.relative_to(ROOT)) for p in text if p.stat().st_size < 1 << 20 and leak.search(p.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize("code", CODES)
def test_every_error_has_one_line_in_both_languages_and_the_four_keys_of_openai(code) -> None:
    row = CODES[code]
    fields = set(re.findall(r"\{(\w+)", row.en))
    assert fields == set(re.findall(r"\{(\w+)", row.zh)), "the languages tell different facts"
    error = FathomError(code, param="p", **{f: f"<{f}\n>" for f in fields - {"param"}})
    assert "\n" not in error.message("en") + error.message("zh")
    assert set(error.to_openai()["error"]) == {"message", "type", "param", "code"}
    assert 400 <= error.status < 600
