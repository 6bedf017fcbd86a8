"""How fast the scanner reads. Prints one JSON line.

python bench/scan.py [FILE ...] [--large 64]

``mb_per_s``: UTF-8 of each FILE (UTF-8 text) by processor time of one core. ``hostile_s``: seconds for 1 MB of each
shape made to be slow; ``worst_growth``: time for ``--large`` MB of the slowest shapes over what ``--large`` times the
time for 1 MB would be (1.0: linear). ``import_s`` and ``help_s``: whole processes, best of five.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from fathom.guard.scan import Scanner

MB = 1_000_000
SHAPES = {
    "digits": "1234567890",
    "card by card": "4111 1111 1111 1111 ",
    "id almost": "110105194912310021",
    "spaced digits": "1 2-3.4 ",
    "numerals": "一二三四五六七八九〇",
    "full-width": "１２３４",
    "zero-width": "1\u200b2\u200b",
    "invisible": "\u200b",
    "at signs": "@",
    "mails almost": "a@b.",
    "dots": "a.",
    "addresses": "1.1.1.1.",
    "colons": "fe80:",
    "urls": "http://a?token=",
    "one letter": "a",
    "one word": "secret",
    "keys": "password=",
    "begin": "-----BEGIN ",
    "tokens": "sk-eyJ.",
    "surnames": "王李张刘陈",
    "titles": "王先生",
    "names": "Mr. Will ",
    "dots between names": "买买提·",
    "roads": "中山路1号",
    "provinces": "广东省深圳市",
    "companies": "有限公司",
    "companies, en": "Bank of Ltd ",
    "labels": "身份证号：",
    "labels, en": "passport number: ",
    "dates": "出生1990年1月1日",
    "brackets": "⟦([{",
    "tags": "\U000e0041",
    "surrogates": "\ud800",
    "spaces": " ",
    "lines": "\n",
}


def seconds(scanner: Scanner, unit: str, size: int) -> float:
    width = len(unit.encode("utf-8", "surrogatepass"))
    text = unit * (size // width)
    began = time.process_time()
    scanner.find(text)
    return time.process_time() - began


def best_of(command: list[str], runs: int = 5) -> float:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    return round(min(once() for _ in range(runs)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--large", type=int, default=64)
    asked = parser.parse_args()
    scanner = Scanner()
    scanner.find("王小明 13812345678")  # what is loaded late is loaded
    speeds = {}
    for file in asked.files:
        text = file.read_text("utf-8")
        began = time.process_time()
        scanner.find(text)
        speeds[file.name] = round(len(text.encode()) / MB / (time.process_time() - began), 2)
    hostile = {shape: seconds(scanner, unit, MB) for shape, unit in SHAPES.items()}
    slowest = sorted(hostile, key=hostile.__getitem__, reverse=True)[:3]
    growth = [seconds(scanner, SHAPES[s], asked.large * MB) / asked.large / hostile[s] for s in slowest]
    told = {
        "mb_per_s": speeds,
        "hostile_s": {shape: round(hostile[shape], 3) for shape in slowest},
        "large_mb": asked.large,
        "worst_growth": round(max(growth), 2),
        "import_s": best_of([sys.executable, "-c", "import fathom.guard"]),
        "help_s": best_of([sys.executable, "-m", "fathom.cli", "mask", "--help"]),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
