"""Values made of words (names, companies, addresses, accounts, web addresses), and fillers that are no entity."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

import values
from stdnum import iban, luhn
from stdnum.cn import ric, uscc
from values import fill, pick


class Inventory(NamedTuple):
    language: str
    lists: dict[str, list[str]]

    def one(self, name: str, rng: Random) -> str:
        return rng.choice(self.lists[name])


def person(rng: Random, words: Inventory) -> str:
    kind = rng.random()
    if words.language == "zh":
        if kind < 0.06:
            return words.one("foreign", rng)
        return words.one("surnames", rng) + words.one("given", rng)
    first, last = words.one("first", rng), words.one("last", rng)
    if kind < 0.12:
        return f"{first} {rng.choice('ABCDEHJKLMRST')}. {last}"
    return f"{first} {last}-{words.one('last', rng)}" if kind < 0.16 else f"{first} {last}"


def company(rng: Random, words: Inventory) -> str:
    brand, trade = words.one("brands", rng), words.one("trades", rng)
    if words.language == "zh":
        city = words.one("cities", rng)
        form = rng.choice(("有限公司", "有限公司", "股份有限公司", "有限责任公司", "集团有限公司"))
        return rng.choice((city, city + "市", "")) + brand + trade + form
    if rng.random() < 0.25:
        return f"{words.one('last', rng)} & {words.one('last', rng)} {rng.choice(('LLP', 'Associates', 'Partners'))}"
    return f"{brand} {trade} {rng.choice(('Inc.', 'Ltd', 'LLC', 'GmbH', 'Corp.', 'PLC', 'Group'))}"


def local(kind: str) -> Callable[[Random, Inventory], str]:
    """An organisation of a town: a hospital, a school, a body."""

    def draw(rng: Random, words: Inventory) -> str:
        if words.language == "en":
            return words.one(kind, rng)
        city = words.one("cities", rng) + ("市" if kind == "bodies" or rng.random() < 0.5 else "")
        return city + words.one(kind, rng)

    return draw


def branch(rng: Random, words: Inventory) -> str:
    bank = words.one("banks", rng)
    if words.language == "en":
        return bank
    return f"{bank}{words.one('cities', rng)}{rng.choice(('分行', '城东支行', '高新支行', '营业部'))}"


def firm(rng: Random, words: Inventory) -> str:
    ends = ("律师事务所", "会计师事务所", "物业服务中心", "养老院", "幼儿园")
    return words.one("brands", rng) + rng.choice(ends) if words.language == "zh" else company(rng, words)


def organisation(rng: Random, words: Inventory) -> str:
    kinds = (company, local("hospitals"), local("schools"), local("bodies"), branch, firm)
    return rng.choices(kinds, (45, 12, 12, 10, 10, 11))[0](rng, words)


def address(rng: Random, words: Inventory) -> str:
    n, room, kind = rng.randrange(1, 900), f"{rng.randrange(1, 28)}0{rng.randrange(1, 6)}", rng.random()
    street = words.one("streets", rng)
    if words.language == "zh":
        region, block = words.one("regions", rng), rng.randrange(1, 40)
        estate = words.one("estates", rng)
        if kind < 0.3:
            return f"{region}{street}{n}号{estate}{block}幢{rng.randrange(1, 4)}单元{room}室"
        if kind < 0.5:
            return f"{region}{street}{n}号"
        if kind < 0.6:
            return f"{street}{n}弄{block}号{room}室"
        if kind < 0.72:
            return f"{estate}{block}号楼{room}"
        if kind < 0.85:
            return f"{words.one('villages', rng)}{rng.randrange(1, 15)}组{n % 90 + 1}号"
        return f"{region}{street}{n}号{words.one('buildings', rng)}{rng.randrange(3, 30)}层"
    number = f"{n} {street}"
    if kind < 0.15:
        return number
    if kind < 0.6:
        unit = rng.choice(("", f", Apt {room[:2]}B", f", Suite {room}", f" #{room}", f", Unit {n % 40 + 1}"))
        return f"{number}{unit}, {words.one('towns', rng)}"
    flat = rng.choice(("", f"Flat {n % 30 + 1}, "))
    return f"{flat}{number}, {words.one('towns_uk', rng)}"


def phone(rng: Random, words: Inventory) -> str:
    return fill(rng, words.one("mobiles" if words.language == "zh" and rng.random() < 0.7 else "phones", rng))


def ip(rng: Random, words: Inventory) -> str:
    if rng.random() < 0.25:
        return values.ipv6(rng)
    return "".join(str(rng.randrange(1, 255)) if c == "#" else c for c in words.one("networks", rng))


def email(rng: Random, words: Inventory) -> str:
    name = words.one("logins", rng)
    local = rng.choice(
        (
            name,
            f"{name}{rng.randrange(10, 9999)}",
            f"{name}.{words.one('logins', rng)}",
            f"{name}_{pick(rng, '0123456789', 3)}",
        )
    )
    return f"{local}@{words.one('domains', rng)}"


def account(rng: Random, words: Inventory) -> str:
    name = words.one("logins", rng)
    return rng.choice(
        (f"wx_{name}{rng.randrange(100)}", f"{name}_{rng.randrange(1980, 2012)}", f"{name}{pick(rng, '0123456789', 4)}")
    )


def qq(rng: Random, _: Inventory) -> str:
    return fill(rng, rng.choice(("%########", "%#########", "%#######")))


def handle(rng: Random, words: Inventory) -> str:
    return (
        f"@{words.one('logins', rng)}{rng.choice(('', '_', '.'))}{rng.choice(('official', '88', 'x', 'writes', '07'))}"
    )


def url(rng: Random, words: Inventory) -> str:
    host, token = words.one("domains", rng), pick(rng, values.ALNUM, rng.randrange(20, 40))
    mail = email(rng, words)
    return rng.choice(
        (
            f"https://{words.one('logins', rng)}:{pick(rng, values.ALNUM, 10)}@git.{host}/ops/deploy.git",
            f"https://{host}/reset?token={token}",
            f"https://api.{host}/v1/users?access_token={token}&limit=20",
            f"https://{host}/unsubscribe?email={mail.replace('@', '%40')}",
            f"https://{host}/invite/accept?uid={rng.randrange(10**6)}&sig={token}",
            f"postgres://{words.one('logins', rng)}:{pick(rng, values.ALNUM, 12)}@db.{host}:5432/app",
            f"https://{host}/pay?api_key={token}",
        )
    )


WORDS: dict[str, Callable[[Random, Inventory], str]] = {
    "PERSON": person,
    "PERSON.first": lambda rng, words: words.one("first", rng),
    "PERSON.reversed": lambda rng, words: f"{words.one('last', rng)}, {words.one('first', rng)}",
    "ORGANISATION": organisation,
    "ORGANISATION.company": company,
    "ORGANISATION.hospital": local("hospitals"),
    "ORGANISATION.school": local("schools"),
    "ORGANISATION.body": local("bodies"),
    "ORGANISATION.firm": firm,
    "ORGANISATION.bank": lambda rng, words: words.one("banks", rng),
    "ADDRESS": address,
    "PHONE": phone,
    "IP": ip,
    "EMAIL": email,
    "ACCOUNT": account,
    "ACCOUNT.qq": qq,
    "ACCOUNT.handle": handle,
    "URL": url,
}


def entity(kind: str, rng: Random, words: Inventory) -> str:
    """A value of ``TYPE`` or ``TYPE.variant``."""
    if kind in WORDS:
        return WORDS[kind](rng, words)
    if kind in values.BY_LANGUAGE:
        return values.BY_LANGUAGE[kind](rng, words.language)
    return values.SIMPLE[kind](rng)


def day(rng: Random, words: Inventory) -> str:
    y, m, d = rng.randrange(2019, 2027), rng.randrange(1, 13), rng.randrange(1, 29)
    zh = (f"{y}年{m}月{d}日", f"{m}月{d}日", f"{y}-{m:02}-{d:02}", f"{y}/{m}/{d}")
    return rng.choice(zh if words.language == "zh" else (f"{y}-{m:02}-{d:02}", f"{m}/{d}/{y}", f"{d:02}.{m:02}.{y}"))


def bad_card(rng: Random) -> str:
    return values.wrong_digit(rng, values.bank_card(rng, "zh"), luhn.is_valid)


def plain_url(rng: Random, words: Inventory) -> str:
    path = rng.choice(("docs", "help/faq", "news/2024/05", "index.html", "a?page=2"))
    return f"https://{words.one('domains', rng)}/{path}"


def small(low: int, high: int) -> Callable[[Random, Inventory], str]:
    return lambda rng, _: str(rng.randrange(low, high))


def form(*forms: str) -> Callable[[Random, Inventory], str]:
    return lambda rng, _: fill(rng, rng.choice(forms))


FILLERS: dict[str, Callable[[Random, Inventory], str]] = {
    "order": form(
        "20260%1#########", "DD%###########", "SO-2025-0####", "30%############", "2025%1##%####", "%#########"
    ),
    "tracking": form("SF13###########", "YT%############", "JDVA###########", "1Z999AA1########%#", "RR#########CN"),
    "ticket": form("INC00#####", "JIRA-%###", "CASE-%#####", "#%####", "T2024%####"),
    "invoice": form("0##0022##111", "INV-2025-%###", "%#######", "FP%#########"),
    "sku": form("XG-%##-B", "AB%###", "RTX-%#90", "LM%##T", "ZX%##-%0W", "MX%##H"),
    "version": form("%.#.#", "v%.%#.#", "%.0.0-rc%", "202%.%.#", "%.%.%#.#"),
    "commit": lambda rng, _: rng.randbytes(rng.choice((4, 20, 20))).hex(),
    "uuid": lambda rng, _: "-".join(rng.randbytes(n).hex() for n in (4, 2, 2, 2, 6)),
    "amount": lambda rng, _: rng.choice(
        (f"{rng.randrange(10, 99999):,}.{rng.randrange(100):02}", str(rng.randrange(5, 90000)))
    ),
    "big": form("%##########", "%,###,###,###", "%############"),
    "percent": lambda rng, _: f"{rng.uniform(0, 99):.1f}%",
    "isbn": form("978-7-%##-#####-#", "9787%########", "978-0-%##-#####-#"),
    "day": day,
    "time": lambda rng, _: f"{rng.randrange(24):02}:{rng.randrange(60):02}",
    "small": small(2, 30),
    "count": small(30, 5000),
    "year": small(1949, 2026),
    "city": lambda rng, words: words.one("cities", rng),
    "url": plain_url,
    "hash": lambda rng, _: rng.randbytes(32).hex(),
    "bad_id": lambda rng, _: values.wrong_digit(rng, values.cn_id(rng), ric.is_valid),
    "bad_card": lambda rng, _: bad_card(rng),
    "bad_uscc": lambda rng, _: values.wrong_digit(rng, values.cn_uscc(rng), uscc.is_valid),
    "bad_iban": lambda rng, _: values.wrong_digit(rng, "DE" + pick(rng, "0123456789", 20), iban.is_valid),
    "section": form("%.%.%", "%.%#.%.#"),
    "formula": lambda rng, _: rng.choice(("E=mc^2", "a[i+1]=b*3.14159", "f(x)=2x+17", "y=0.0235*x-118.6", "C6H12O6")),
}
