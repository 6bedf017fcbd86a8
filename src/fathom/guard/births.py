"""Dates of birth: a date in any usual form beside a word like 出生, 生日 or born."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .page import Found, Page, Word

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"BIRTH_DATE"})

_BEFORE = (
    "出生日期 出生年月日 出生年月 出生时间 出生于 出生 生日 生辰 诞辰 生于 诞生于 "
    "born dob d.o.b. d.o.b birthday birthdate birth_date birth birthdays date_of_birth dateofbirth bday"
)
WORDS = {"birth": _BEFORE.split()}

_IN_ROW = re.compile(r"[^\n,\t|;]{0,12}[\n,\t|;]")  # a cell of a table may end here
_FAR = 240  # characters from a heading to its dates
_MONTHS = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|"
    "Dec(?:ember)?)"
)
_CJK_YEAR = (
    "(?:[一二][零〇一二三四五六七八九]{3}|[一二]千?九?百?[零〇一二三四五六七八九十]{1,4}|[零〇一二三四五六七八九]{2})"
)
_CJK_SMALL = "[一二三四五六七八九十廿卅]{1,3}"
_DATE = re.compile(
    r"(?<![0-9零〇一二三四五六七八九十])(?:(?:公元|农历|阴历|阳历|公历|旧历) ?)?(?:"
    r"(?:1[89]|20)[0-9]{2} ?年 ?(?:农历|阴历|阳历)?(?:[0-9]{1,2} ?月 ?(?:[0-9]{1,2} ?[日号]?)?)?"
    r"|[0-9]{2}年[0-9]{1,2}月(?:[0-9]{1,2}[日号]?)?|[0-9]{2}年"
    rf"|{_CJK_YEAR}年(?:农历|阴历)?(?:[正冬腊{_CJK_SMALL[1:-6]}]{{1,3}}月(?:初?{_CJK_SMALL}[日号]?)?)?"
    rf"|(?:[0-9]{{1,2}}|[正冬腊]|{_CJK_SMALL})月(?:[0-9]{{1,2}}|初?{_CJK_SMALL})[日号]?"
    r"|(?:1[89]|20)[0-9]{2}(?P<s>[-/. ])[0-9]{1,2}(?P=s)[0-9]{1,2}|(?:1[89]|20)[0-9]{2}[-/.][0-9]{1,2}"
    r"|(?:1[89]|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"|[0-9]{1,2}(?P<t>[-/.])[0-9]{1,2}(?P=t)(?:(?:1[89]|20)[0-9]{2}|[0-9]{2})"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of|-)? ?{_MONTHS}\.?,?[ -](?:1[89]|20)[0-9]{{2}}"
    rf"|{_MONTHS}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?(?:,? (?:1[89]|20)[0-9]{{2}})?"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTHS}(?![a-z])"
    rf"|{_MONTHS}\.?,? (?:1[89]|20)[0-9]{{2}}"
    r"|(?:1[89]|20)[0-9]{2}(?![0-9.]))",
    re.IGNORECASE,
)
_LINK = (
    "is|was|are|on|in|the|of|of birth|date|place|year|her|his|my|your|时间|日期|年月日?|"
    "于|是|为|在|填|写|的|公历|农历|那天"
)
_GLUE = re.compile(  # between the word and the date
    rf"[\s:=\"'“”「」()|,\[\]}}{{*-]*(?:{_LINK})?[\s:=\"'“”「(|,]*(?:on|in|the|是|为)? ?"
)
_NOT_BORN = "产效成活意命长气态理物存日育病动涯前词僻硬鲜机"  # 生产, 生效 ...
_BORN = re.compile("[0-9日号月年一二三四五六七八九十][ ,（(]{0,2}(?:出|诞|降|的)?生")
_AFTER = re.compile(
    rf" ?[（(]?(?:, ?(?:出生|生(?=[,。;\s]))|出生|生日|诞生|诞辰|生人|"
    rf"生(?![{_NOT_BORN}])|降生|的?生日)"
)


def find(page: Page) -> Iterator[Found]:
    text, done, table = page.text, -1, 0
    for word in page.words.get("birth", ()):
        if text[word.start - 1 : word.start + 2] in ("发生于", "产生于", "滋生于"):
            continue
        glue = _GLUE.match(text, word.end)
        match = _DATE.match(text, glue.end() if glue else word.end)
        if match is not None and match.start() >= done and not _cut(text, match):
            done = match.end()
            yield Found(match.start(), match.end(), "BIRTH_DATE", 0.85)
        elif word.start >= table and _IN_ROW.match(text, word.end):
            table = word.start + _FAR
            for start, end in _column(text, word):
                yield Found(start, end, "BIRTH_DATE", 0.8)
    for born in _BORN.finditer(text):  # 1990年3月5日出生, 1990年3月5日生
        at = born.end() - 1
        for match in _DATE.finditer(text, max(done, at - 24, 0), at):
            if (after := _AFTER.match(text, match.end())) and after.end() > at:
                done = match.end()
                yield Found(match.start(), match.end(), "BIRTH_DATE", 0.85)


def _column(text: str, word: Word) -> Iterator[tuple[int, int]]:
    """Dates under a heading of a table, in its next lines: the cells as far to the right as the word stands."""
    head = text.rfind("\n", max(0, word.start - 200), word.start) + 1
    tail = text.find("\n", word.end, word.end + 200)
    separator = next((c for c in ",\t|;" if tail > 0 and text.count(c, head, tail) >= 2), "")
    while separator and 0 <= tail < word.start + _FAR:
        cell = tail + 1
        tail = text.find("\n", cell, cell + 400)
        end = len(text) if tail < 0 else tail
        for _ in range(text.count(separator, head, word.start)):
            cell = text.find(separator, cell, end) + 1 or end
        cell += len(text[cell : cell + 2]) - len(text[cell : cell + 2].lstrip(' "'))
        if (match := _DATE.match(text, cell, end)) is not None and not _cut(text, match):
            yield match.span()


def _cut(text: str, match: re.Match[str]) -> bool:
    """Whether the date is a piece of a longer number."""
    return text[max(0, match.start() - 1) : match.start()].isdigit() or text[match.end() : match.end() + 1].isdigit()
