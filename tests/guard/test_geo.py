"""Coordinates in their usual forms."""

from __future__ import annotations

import pytest

from fathom.guard import geo
from fathom.guard.page import Lexicon, Page, Shadow

LEXICON = Lexicon(geo.WORDS)


def found(text: str) -> list[str]:
    page = Page(Shadow(text), LEXICON)
    spans = sorted({(f.start, f.end) for f in geo.find(page)}, key=lambda span: (span[0], -span[1]))
    kept = [span for k, span in enumerate(spans) if not any(s[0] <= span[0] and span[1] <= s[1] for s in spans[:k])]
    return [page.text[start:end] for start, end in kept]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("坐标：39.9042, 116.4074", ["39.9042, 116.4074"]),
        ("位置在北纬39°54′20″，东经116°25′29″附近", ["北纬39°54′20″,东经116°25′29″"]),
        ("lat=31.2304&lng=121.4737", ["31.2304", "121.4737"]),
        ("GPS 31.230416,121.473701", ["31.230416,121.473701"]),
        ("东经116.4度，北纬39.9度", ["东经116.4度,北纬39.9度"]),
        ("(40.7128, -74.0060)", ["40.7128, -74.0060"]),
        ("39.9042° N, 116.4074° E", ["39.9042° N, 116.4074° E"]),
        ("N39.9042 E116.4074", ["N39.9042 E116.4074"]),
        ("价格 12.50, 13.80", []),
        ("版本 1.2345, 2.3456", []),
        ("温度 36.5度", []),
        ("1.23," * 5000, []),
    ],
)
def test_coordinates(text: str, places: list[str]) -> None:
    assert found(text) == places
