"""Coordinates: two decimal degrees side by side, degrees with minutes, a labelled latitude or longitude."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"GEO"})

_WORDS = "经纬度 坐标 定位 位置 gps coordinates coords coordinate location geo 打卡 地图"
_LABELS = "经度 纬度 latitude longitude lat lng lon"
WORDS = {
    "geo": _WORDS.split(),
    "geo_label": _LABELS.split(),
    "geo_degree": ["°", *(f"度{digit}" for digit in range(10))],
    "geo_named": ["北纬", "南纬", "东经", "西经"],
}
_DEGREES = r"[-+]?(?:1[0-7][0-9]|180|[0-9]{1,2})\.[0-9]{2,12}"
_DECIMAL = re.compile(r"\.[0-9]{2,12}")
_WHOLE = re.compile(r"(?<![0-9.A-Za-z])[-+]?[0-9]{1,3}\Z")
_PAIR = re.compile(rf"({_DEGREES})°? ?[NSns]?(?: ?[,;/ |] ?|、)({_DEGREES})°?(?: ?[EWew](?![a-z]))?(?![0-9]|\.[0-9])")
_MINUTES = r"[0-9]{1,2}(?:\.[0-9]+)? ?['′分](?: ?[0-9]{1,2}(?:\.[0-9]+)? ?(?:\"|″|''|秒))?"
_DMS = re.compile(
    rf"(?<![0-9.])(?:[NSEW北南东西][纬经]? ?)?[0-9]{{1,3}} ?[°度] ?{_MINUTES}(?: ?[NSEW](?![A-Za-z]))?"
    rf"(?:[,;、/ ]{{0,2}}[NSEW东西北南]?[经纬]? ?[0-9]{{1,3}} ?[°度] ?{_MINUTES} ?[NSEW]?)?"
)
_HEAD = re.compile(r"(?<![0-9.])(?:[NSEW北南东西][纬经]? ?)?[0-9]{1,3} ?\Z")  # before the degrees
_ROUGH = r"[0-9]{1,3}(?:\.[0-9]{1,12})?"
_LATITUDE, _LONGITUDE = rf"[北南]纬 ?{_ROUGH} ?[°度]?", rf"[东西]经 ?{_ROUGH} ?[°度]?"
_NAMED = re.compile(rf"{_LATITUDE}(?:[,;、 ]{{0,2}}{_LONGITUDE})?|{_LONGITUDE}(?:[,;、 ]{{0,2}}{_LATITUDE})?")
_LETTERED = re.compile(
    rf"(?<![A-Za-z])[NS] ?{_DEGREES}°?[,; ]{{1,2}}[EW] ?{_DEGREES}°?|"
    rf"(?<![0-9.]){_DEGREES}°? ?[NS][,; ]{{0,2}}{_DEGREES}°? ?[EW]"
)
_VALUE = re.compile(rf"[\"']? ?[:=是为]? ?[\"']?({_DEGREES})(?![0-9]|\.[0-9])")

_LONGEST = 80  # characters of a pair of coordinates
_LETTER = re.compile(r"\.[0-9]{2,12}°?[,;]? ?[NSEW]")


def find(page: Page) -> Iterator[Found]:
    text, done = page.text, 0
    for point in _DECIMAL.finditer(text):
        whole = _WHOLE.search(text, max(done, point.start() - 4), point.start())
        match = _PAIR.match(text, whole.start()) if whole else None
        if match is None:
            continue
        done = match.end()
        first, second = abs(float(match[1])), abs(float(match[2]))
        fine = min(len(part.partition(".")[2]) for part in match.groups()) >= 4
        near = any(page.near(name, match.start(), match.end()) for name in ("geo", "geo_label", "geo_named"))
        if min(first, second) <= 90 and (near or (fine and max(first, second) > 10)):
            yield Found(match.start(), match.end(), "GEO", 0.9 if near and fine else 0.7)
    done = 0
    for mark in page.words.get("geo_degree", ()):
        head = _HEAD.search(text, max(done, mark.start - 8), mark.start)
        if head is not None and (match := _DMS.match(text, head.start(), head.start() + _LONGEST)) is not None:
            done = match.end()
            yield Found(match.start(), match.end(), "GEO", 0.9)
    done = 0
    for mark in page.words.get("geo_named", ()):
        if mark.start >= done and (match := _NAMED.match(text, mark.start, mark.start + _LONGEST)) is not None:
            done = match.end()
            yield Found(match.start(), match.end(), "GEO", 0.9)
    for point in _LETTER.finditer(text):
        start = max(0, point.start() - 6)
        if (match := _LETTERED.search(text, start, start + _LONGEST)) is not None:
            yield Found(match.start(), match.end(), "GEO", 0.9)
    for word in page.words.get("geo_label", ()):
        if value := _VALUE.match(text, word.end):
            yield Found(*value.span(1), "GEO", 0.8)
