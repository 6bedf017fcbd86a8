"""The list of places: `python -m bench.guard.places china-division/dist > src/fathom/assets/guard/places.txt`.

Three lines: provinces, prefectures and counties of China by their full names (china-division 2.7.0, MIT; a public
classification of the National Bureau of Statistics), each once, by spaces. Directly governed "cities" have no name of
their own and are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

OUTER = {"香港特别行政区", "澳门特别行政区", "台湾省"}
GENERIC = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划", "城区", "矿区", "郊区"}


def main() -> None:
    folder = Path(sys.argv[1])
    names: list[set[str]] = [set(OUTER), set(), set()]
    for level, file in enumerate(("provinces", "cities", "areas")):
        names[level] |= {row["name"] for row in json.loads((folder / f"{file}.json").read_text())} - GENERIC
    for province, cities in json.loads((folder / "HK-MO-TW.json").read_text()).items():
        names[1] |= set(cities) if province == "台湾省" else set()
    for row in names:
        print(" ".join(sorted(row)))


if __name__ == "__main__":
    main()
