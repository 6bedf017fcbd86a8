"""Dates of birth: dates beside a word that says so."""

from __future__ import annotations

import pytest

from fathom.guard import births
from fathom.guard.page import Lexicon, Page, Shadow

LEXICON = Lexicon(births.WORDS)


def found(text: str) -> list[str]:
    page = Page(Shadow(text), LEXICON)
    return [page.text[f.start : f.end] for f in births.find(page)]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("出生日期：1990年3月5日", "1990年3月5日"),
        ("生日是5月20日，电话", "5月20日"),
        ("他1985年10月1日出生于北京", "1985年10月1日"),
        ("张伟，男，1990年3月5日生，汉族", "1990年3月5日"),
        ("出生年月：1988.06", "1988.06"),
        ("生于一九九〇年三月五日", "一九九〇年三月五日"),
        ("19900305出生", "19900305"),
        ("DOB: 03/15/1985", "03/15/1985"),
        ("She was born on March 5, 1990 in Boston", "March 5, 1990"),
        ("Date of Birth 5 May 1971", "5 May 1971"),
        ('"birth_date": "1999-12-31"', "1999-12-31"),
        ("my birthday is June 3rd", "June 3rd"),
        ("蔡家豪同志，1991年3月1日，生，现为职工。", "1991年3月1日"),
        ("name,email,dob\nAnn Lee,a@b.org,5 June 2005\n", "5 June 2005"),
    ],
)
def test_dates_of_birth(text: str, date: str) -> None:
    assert found(text) == [date]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "会议于2024年3月5日召开，产品1990年3月5日生产",
        "学生2024年入学，生活费",
        "今天生日快乐！2024年5月1日发货",
        "事故发生于2015年7月22日",
        "birthday party in May 2024",
        "出生" * 5000,
        "生" * 20000,
        "出生,a,b\n" * 5000,
        "birthday, party and cake\nA line, of, prose",
    ],
)
def test_other_dates(text: str) -> None:
    assert found(text) == []
