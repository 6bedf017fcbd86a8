"""What the sentences for the name model are filled with, and how often; the words are in inventories.toml.

Surnames by their share of the population (2020 name report of the Ministry of Public Security, the first hundred) and
the rest of the Hundred Family Surnames; characters of given names written down by hand.
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

_DATA = tomllib.loads((Path(__file__).parent / "inventories.toml").read_text(encoding="utf-8"))


def _characters(name: str) -> str:
    return "".join(_DATA[name].split())


def _words(name: str) -> list[str]:
    return list(_DATA[name].split())


SURNAMES = _characters("SURNAMES")
PLAIN = _characters("PLAIN")
GIVEN = _characters("GIVEN")
BRAND = _characters("BRAND")
COMPOUND = _words("COMPOUND")
FOLK_GIVEN = _words("FOLK_GIVEN")
FOREIGN_GIVEN = _words("FOREIGN_GIVEN")
PINYIN_SURNAMES = _words("PINYIN_SURNAMES")
FOREIGN_FAMILY = _words("FOREIGN_FAMILY")
FOREIGN_FIRST = _words("FOREIGN_FIRST")
WORD_NAMES = _words("WORD_NAMES")
TITLES = _words("TITLES")
BRANDS = _words("BRANDS")
TRADE = _words("TRADE")
CORPORATE = _words("CORPORATE")
BANKS = _words("BANKS")
HOSPITAL = _words("HOSPITAL")
SCHOOL = _words("SCHOOL")
OFFICE = _words("OFFICE")
FIRM = _words("FIRM")
UNIVERSITY = _words("UNIVERSITY")
ORGANISATION_ENDS = _words("ORGANISATION_ENDS")
ROLES = _words("ROLES")
TAILS = _words("TAILS")
LEADS = _words("LEADS")
EN_ROLES = _words("EN_ROLES")
PLACES_EN = _words("PLACES_EN")
STREET_WORDS = _words("STREET_WORDS")
STREET_ENDS = _words("STREET_ENDS")
JAPANESE = _words("JAPANESE")
JAPANESE_GIVEN = _words("JAPANESE_GIVEN")
FIRM_LEADS = _words("FIRM_LEADS")
FIRM_TAILS = _words("FIRM_TAILS")
EN_LEADS: list[str] = _DATA["EN_LEADS"]
EN_TAILS: list[str] = _DATA["EN_TAILS"]
FORMS_EN: list[str] = _DATA["FORMS_EN"]


def chinese_name(rng: random.Random, more_given: list[str]) -> str:
    """A surname by its share and a given name: one character 17 %, else two."""
    if rng.random() < 0.025:
        return rng.choice(JAPANESE) + rng.choice(JAPANESE_GIVEN)
    if rng.random() < 0.06:
        surname = rng.choice(COMPOUND[:30])
    elif rng.random() < 0.75:  # the first hundred hold 85 % of the population, falling about as 1 / (rank + 12)
        surname = rng.choices(SURNAMES[:100], [1 / (rank + 12) for rank in range(100)])[0]
    else:
        surname = rng.choice(SURNAMES)
    kind = rng.random()
    if kind < 0.17:
        return surname + rng.choice(GIVEN)
    if kind < 0.30:
        return surname + rng.choice(FOLK_GIVEN)
    if kind < 0.55:
        return surname + rng.choice(more_given)
    return surname + rng.choice(GIVEN) + rng.choice(GIVEN)


def pinyin_name(rng: random.Random) -> str:
    """A name in pinyin, family name first or last."""
    family, given = rng.choice(PINYIN_SURNAMES), rng.choice(FOREIGN_GIVEN)
    return f"{family} {given}" if rng.random() < 0.7 else f"{given} {family}"


def organisation(rng: random.Random, places: list[str]) -> str:
    """A Chinese organisation; ``places`` are short and long names of provinces, prefectures and counties."""
    place, brand = rng.choice(places), "".join(rng.choice(BRAND) for _ in range(rng.choice((2, 2, 2, 3, 4))))
    if rng.random() < 0.12:
        brand = rng.choice(BRANDS)
    if rng.random() < 0.04:
        brand = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.choice((2, 3, 4))))
    kind = rng.random()
    if kind < 0.40:
        lead = place if rng.random() < 0.6 else ""
        middle = f"({place})" if not lead and rng.random() < 0.25 else ""
        trade = rng.choice(TRADE) if rng.random() < 0.88 else ""
        name = lead + brand + (middle + trade if rng.random() < 0.7 else trade + middle) + rng.choice(CORPORATE)
        return name + rng.choice(places) + "分公司" if rng.random() < 0.08 and name.endswith("有限公司") else name
    if kind < 0.50:
        bank = (
            rng.choice(BANKS)
            if rng.random() < 0.8
            else place[:2] + rng.choice(("银行", "农商银行", "农村商业银行", "村镇银行"))
        )
        branch = rng.choice((place, brand[:2] + "路", place + brand[:2], brand[:2])) + rng.choice(
            ("支行", "支行", "分行", "营业部")
        )
        return bank + (branch if rng.random() < 0.8 else "")
    if kind < 0.62:
        return (place if rng.random() < 0.8 else brand[:2]) + rng.choice(HOSPITAL)
    if kind < 0.75:
        if rng.random() < 0.25:
            return rng.choice(UNIVERSITY) + (
                rng.choice(("", "", "附属医院", "第一附属医院", "附属中学", "研究院", "出版社"))
            )
        return (
            (place if rng.random() < 0.7 else "")
            + (brand[:2] if rng.random() < 0.4 else "")
            + rng.choice(SCHOOL[4:] if rng.random() < 0.3 else SCHOOL)
        )
    if kind < 0.86:
        return place + rng.choice(OFFICE)
    return (place if rng.random() < 0.45 else "") + brand + rng.choice(FIRM)


def address_zh(rng: random.Random, places: list[str]) -> str:
    """A Chinese address, more or less complete."""
    road = "".join(rng.choice(BRAND + GIVEN[:60]) for _ in range(rng.choice((2, 2, 2, 3)))) + rng.choice(
        ("路", "路", "街", "大道", "巷", "东路", "北街")
    )
    estate = "".join(rng.choice(BRAND) for _ in range(2)) + rng.choice(
        ("花园", "小区", "家园", "公寓", "苑", "大厦", "广场", "新村")
    )
    head = "".join(rng.choice(places) for _ in range(rng.choice((0, 1, 1, 2, 3))))
    block, door = f"{rng.randrange(1, 30)}栋{rng.randrange(1, 5)}单元", f"{rng.randrange(101, 2900)}室"
    tail = rng.choice((f"{rng.randrange(1, 999)}号", f"{rng.randrange(1, 99)}号{estate}{block}{door}", ""))
    return head + road + tail


def address_en(rng: random.Random, family: str) -> str:
    """An English address."""
    name = rng.choice([*STREET_WORDS, family]) + (" " + rng.choice(STREET_WORDS) if rng.random() < 0.3 else "")
    street = f"{rng.randrange(1, 2000)} {name} {rng.choice(STREET_ENDS)}"
    flat = rng.choice(("", "", f", Apt {rng.randrange(1, 99)}", f", Suite {rng.randrange(100, 999)}"))
    town = rng.choice([*PLACES_EN, "Springfield", "Manchester", "Portland"])
    return street + flat + rng.choice((f", {town}", f", {town}, NC 27601", f", {town} M14 5RG", ""))


def organisation_en(rng: random.Random, family: list[str]) -> str:
    """An English organisation, often named after persons."""
    first = rng.choice(
        [*family, rng.choice(STREET_WORDS) + rng.choice(("peak", "bridge", "field", "stone", "wood", "line"))]
    )
    join = rng.choice(
        (
            "",
            "",
            f" & {rng.choice(family)}",
            f" {rng.choice(STREET_WORDS)}",
            f", {rng.choice(family)} & {rng.choice(family)}",
        )
    )
    return f"{first}{join} {rng.choice(FORMS_EN)}"
