"""Values as people write them: times, dates, prices, telephone numbers, addresses, names of firms and places."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from .words import person, table

__all__ = ["VALUES", "value"]

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ROADS = {
    "zh": ("路", "街", "大道", "东路", "西路", "南路", "北路"),
    "en": ("Street", "Road", "Avenue", "Lane", "Drive"),
}
INNS = {"zh": ("酒店", "宾馆", "大酒店", "度假村"), "en": ("Hotel", "Inn", "Lodge", "Resort", "House")}
ROOMS = {
    "zh": ("第一会议室", "多功能厅", "三楼报告厅", "阅览室", "活动中心", "一号教室", "体育馆"),
    "en": ("Meeting Room 1", "the main hall", "the reading room", "the sports hall", "Classroom 3"),
}
DOMAINS = ("example.com", "mail.example", "example.org", "example.net", "office.example", "company.example")


def _pair(draw: random.Random, language: str, name: str) -> str:
    """One of a list of (Chinese, English) in ``words.toml``."""
    return str(draw.choice(table("words")[name])[language == "en"])


def _word(draw: random.Random, language: str, name: str) -> str:
    return str(draw.choice(table("words")[f"{name}_{language}"]))


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("0123456789") for _ in range(count))


def _time(draw: random.Random, language: str, first: int, last: int) -> str:
    hour, minute = draw.randint(first, last), draw.choice((0, 0, 30, 15, 45, 10, 20))
    twelve = hour if hour <= 12 else hour - 12
    forms = [f"{hour:02}:{minute:02}"]
    if language == "zh":
        part = "早上" if hour < 9 else "上午" if hour < 12 else "下午" if hour < 18 else "晚上"
        forms.append(f"{part}{twelve}点" + (f"{minute}分" if minute else ""))
    else:
        half = "am" if hour < 12 else "pm"
        forms.append(f"{twelve}:{minute:02} {half}" if minute else f"{twelve} {half}")
    return draw.choice(forms)


def _date(draw: random.Random, language: str) -> str:
    day = datetime.date(2022, 1, 1) + datetime.timedelta(days=draw.randrange(365 * 6))
    year, month, number = day.year, day.month, day.day
    if language == "zh":
        short = f"{month}月{number}日"
        return draw.choice((f"{year}年{short}", short, day.isoformat(), f"{year}/{month}/{number}"))
    name = MONTHS[month - 1]
    return draw.choice((f"{name} {number}, {year}", f"{number} {name} {year}", f"{number} {name}", day.isoformat()))


def _price(draw: random.Random, language: str, highest: int) -> str:
    amount = f"{draw.randint(2, draw.choice((highest // 100 + 20, highest)))}{draw.choice(('', '', '.50'))}"
    chinese, english = (f"{amount}元", f"¥{amount}"), (f"${amount}", f"£{amount}", f"€{amount}")
    return draw.choice(chinese if language == "zh" else english)


def _phone(draw: random.Random, language: str) -> str:
    three, four = _digits(draw, 3), _digits(draw, 4)
    if language == "zh":
        return draw.choice((f"138{_digits(draw, 8)}", f"400-{three}-{four}", f"010-6{three}{four}"))
    area = draw.randint(201, 989)
    return draw.choice((f"{area}-555-{four}", f"({area}) 555-{four}", f"020 7{three} {four}"))


def _email(draw: random.Random, language: str) -> str:
    del language
    given, family = person(draw, "en").lower(), str(draw.choice(table("words")["family_en"])).lower()
    name = draw.choice((f"{given}.{family}", f"{given[0]}{family}", f"{family}{draw.randint(1, 99)}"))
    return f"{name}@{draw.choice(DOMAINS)}"


def _street(draw: random.Random, language: str) -> str:
    return _word(draw, language, "streets") + ("" if language == "zh" else " ") + draw.choice(ROADS[language])


def _address(draw: random.Random, language: str) -> str:
    number = draw.randint(1, 399)
    return f"{_street(draw, 'zh')}{number}号" if language == "zh" else f"{number} {_street(draw, 'en')}"


def _name(draw: random.Random, language: str) -> str:
    if language == "en":
        return f"{person(draw, 'en')} {draw.choice(table('words')['family_en'])}"
    given = "".join(draw.sample(table("words")["given_zh"], draw.choice((1, 2))))
    return str(draw.choice(table("words")["surnames_zh"])) + given


def _company(draw: random.Random, language: str) -> str:
    space = "" if language == "zh" else " "
    return _word(draw, language, "companies") + space + _word(draw, language, "trades")


def _hotel(draw: random.Random, language: str) -> str:
    return _word(draw, language, "hotels") + ("" if language == "zh" else " ") + draw.choice(INNS[language])


def _weekday(draw: random.Random, language: str) -> str:
    day = draw.randrange(7)
    return "一二三四五六日"[day] if language == "zh" else DAYS[day]


def _moment(draw: random.Random, language: str) -> str:
    """A day and an hour, as one says them together."""
    hour = _time(draw, language, 7, 21)
    if language == "zh":
        near = ("今天", "明天", "后天", "下周" + _weekday(draw, language), "周" + _weekday(draw, language))
        return draw.choice((draw.choice(near) + hour, f"{_date(draw, language)} {hour}"))
    day = draw.choice((_weekday(draw, language), _date(draw, language)))
    return f"{day} at {hour}"


def _listed(name: str) -> Callable[[random.Random, str], str]:
    return lambda draw, language: _pair(draw, language, name)


VALUES: Mapping[str, Callable[[random.Random, str], Any]] = {
    "morning": lambda draw, language: _time(draw, language, 5, 11),
    "evening": lambda draw, language: _time(draw, language, 16, 22),
    "hour": lambda draw, language: _time(draw, language, 7, 21),
    "weekday": _weekday,
    "moment": _moment,
    "date": _date,
    "price": lambda draw, language: _price(draw, language, 5000),
    "small price": lambda draw, language: _price(draw, language, 120),
    "phone": _phone,
    "email": _email,
    "street": _street,
    "address": _address,
    "name": _name,
    "company": _company,
    "hotel": _hotel,
    "room": lambda draw, language: draw.choice(ROOMS[language]),
    "password": lambda draw, _: draw.choice(("river", "stone", "apple", "maple", "tiger")) + _digits(draw, 4),
    "order": lambda draw, _: draw.choice(("A", "ORD-", "No", "#")) + _digits(draw, draw.randint(5, 9)),
    "seat": lambda draw, _: f"{draw.randint(1, 80)}{draw.choice('ABCDF')}",
    "model": lambda draw, _: draw.choice("ABCDEFGHKMNPRST") + str(draw.randint(10, 9990)),
    **{kind: _listed(f"{kind}s") for kind in ("product", "course", "job", "place", "colour", "reason")},
    **{kind: _listed(f"{kind}s") for kind in ("event", "venue", "object", "weather", "title", "team", "drug", "pet")},
    **{kind: _listed(f"{kind}s") for kind in ("phrase", "language", "song", "device", "complaint", "spending")},
    **{
        kind: _listed(name)
        for kind, name in (
            ("switch", "switches"),
            ("dish", "dishes"),
            ("currency", "currencies"),
            ("school subject", "subjects"),
        )
    },
    "topic": _listed("courses"),
    "expression": lambda draw, _: f"{draw.randint(11, 999)} {draw.choice('+-×')} {draw.randint(11, 99)}",
    "city": _listed("cities"),
    "pay": _listed("payments"),
}


def value(draw: random.Random, language: str, kind: str) -> str:
    """A value of a kind in :data:`VALUES`, or a whole number of a range such as ``2-60``."""
    if match := re.fullmatch(r"(\d+)-(\d+)", kind):
        return str(draw.randint(int(match[1]), int(match[2])))
    return str(VALUES[kind](draw, language))
