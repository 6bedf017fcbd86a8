"""What is personal only because a word says so: papers without a checksum, accounts, local telephone numbers.

A label (assets/guard/labels.txt), a few words that join (号码是, number is), and a value of the shape its type has; or
the value first (``E12345678（护照）``). Tax numbers must also pass the checks of a country, by python-stdnum. A strict
page asks for no check: the label and the shape are enough, also for the types that numbers.py finds by their checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

from .context import AGAINST
from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

WORDS = {
    "military": ["字第"],
    "travel": [
        "入境",
        "出境",
        "签证",
        "国籍",
        "登机",
        "值机",
        "航班",
        "旅客",
        "乘机",
        "口岸",
        "边检",
        "海关",
        "免税",
        "visa",
        "immigration",
        "nationality",
        "boarding",
        "traveller",
        "traveler",
        "passenger",
        "embassy",
        "consulate",
    ],
}

_END = r"(?![0-9A-Za-z])"
_GROUP = r"(?=[A-Za-z]{0,8}[0-9])[0-9A-Za-z]{1,24}+"
_CODE = rf"(?:[A-Za-z]{{1,3}}[-/._ ])?{_GROUP}(?:[-/._]{_GROUP}){{0,6}}"
_LOOSE = (
    rf"(?:[A-Za-z]{{1,4}}[-/._ ·])?{_GROUP}(?:[-/._ ·]{{1,3}}(?:{_GROUP}|[A-Z]{{1,4}}(?=[-/._ ·][0-9A-Z]))){{0,20}}"
)
_JOIN = (
    r"(?:'s|s(?![0-9A-Za-z]))?(?:(?<=no|No|NO)\.)?[^\S\n]{0,3}(?:号码|号|码|件|编号|证号|卡号|账号|帐号|代码|number|no\b\.?|num\b\.?|nr\b\.?|id\b|code|#)?"
    r"(?:[^0-9A-Za-z\n。；]{0,8}(?:证件号码?|证号|卡号|编号|号码))?"  # 通行证，证件号：
    r"[^\S\n]{0,3}(?:\([^()\n0-9]{0,12}\))?"
    r"(?:是|为|填的|写的|登记的|用的|[:=>\-([\"'“”「『【《`|,]|is\b|was\b|are\b|reads\b|of\b|as\b|[^\S\n]){0,6}"
)
_JOINED_BACK = re.compile(
    r"[^\S\n]{0,2}(?:[([-]|是|为|即|is|was|as|,? ?号的?|的){0,2}[^\S\n]{0,2}"
    r"(?:(?:the|my|our|his|her|their|your|a|我|他|她|您|你|本人|客户|的|这个|此)[^\S\n]?){0,4}",
    re.IGNORECASE,
)


_ARMS = "军海空陆火武警参政后装联战文士部南北沈兰成济广东西中"  # characters before 字第 on military papers


class Shape(NamedTuple):
    """``value``: what stands behind the label, with at least ``digits`` digits and ``least`` to ``longest`` characters,
    not counting separators."""

    value: re.Pattern[str]
    digits: int
    score: float
    longest: int = 24
    least: int = 4
    only_digits: bool = False


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(value + _END, re.IGNORECASE)


_SHAPES = {
    "PASSPORT": Shape(_pattern(_CODE), 4, 0.9, 10, 7),
    "CN_PERMIT": Shape(_pattern(_CODE), 7, 0.9, 19),
    "CN_MILITARY_ID": Shape(
        _pattern(r"(?:[\u4e00-\u9fff]{0,6}字?第? ?)?[0-9](?:[ -]?[0-9]){5,9}(?: ?号)?"), 6, 0.9, 18
    ),
    "DRIVER_LICENCE": Shape(_pattern(_CODE), 5, 0.9, 18),
    "CN_SOCIAL_SECURITY": Shape(_pattern(_CODE), 7, 0.9, 20),
    "MEDICAL_RECORD": Shape(_pattern(_CODE), 5, 0.9, 20),
    "BANK_ACCOUNT": Shape(_pattern(_CODE), 6, 0.85, 28, only_digits=True),
    "PHONE": Shape(_pattern(r"\+?[0-9(](?:[ ().-]{0,2}[0-9]){6,16}"), 7, 0.7, 16, only_digits=True),
}


def _digits(least: int, longest: int) -> Shape:
    value = _pattern(rf"[0-9](?:[ -]{{0,2}}[0-9]){{{least - 1},{longest - 1}}}")
    return Shape(value, least, 0.85, longest, least, only_digits=True)


#: Of a strict page: typos and all.
_STRICT = {
    "CN_ID": Shape(_pattern(r"[0-9](?:[ -]{0,2}[0-9]){13,16}(?:[ -]{0,2}[0-9X])?"), 14, 0.85, 18, 15),
    "CN_USCC": Shape(_pattern(r"[0-9A-Z](?:[ -]?[0-9A-Z]){17}"), 8, 0.85, 18, 18),
    "BANK_CARD": _digits(13, 19),
    "IBAN": Shape(
        _pattern(r"[A-Z]{2}[0-9]{2}[ -]?[0-9A-Z]{4}(?:[ -]?(?=[A-Z]{0,3}[0-9])[0-9A-Z]{1,4}){1,7}"), 8, 0.85, 34, 15
    ),
    "IMEI": _digits(14, 16),
    "VIN": Shape(_pattern("[0-9A-Z]{17}"), 4, 0.85, 17, 17),
    "HKID": Shape(_pattern(r"[A-Z]{1,2}[ -]?[0-9]{6}[ -]?\(?[0-9A]\)?"), 6, 0.85, 9, 8),
    "UK_NINO": Shape(_pattern("[A-Z]{2}(?:[ -]?[0-9]{2}){3}[ -]?[A-Z]"), 6, 0.85, 9, 9),
    "UK_NHS": _digits(10, 10),
    "US_NPI": _digits(10, 10),
    "US_SSN": _digits(9, 9),
    "US_ITIN": _digits(9, 9),
    "US_ROUTING": _digits(9, 9),
}
TYPES = frozenset({*_SHAPES, *_STRICT, "ACCOUNT", "TAX_ID"})
#: Types whose value may stand before the label.
_BACK = {"PASSPORT", "CN_PERMIT", "DRIVER_LICENCE", "CN_SOCIAL_SECURITY", "MEDICAL_RECORD", "BANK_ACCOUNT"}
_BEFORE = re.compile(
    rf"(?<![0-9A-Za-z])(?:[A-Za-z]{{0,2}}[0-9]{{1,4}}(?:[ .-][0-9]{{2,4}}){{1,4}}|{_CODE})\Z", re.IGNORECASE
)
_REACH = 40  # characters from a label within which its value begins
_REACH_BACK = 12  # and between a value and the label behind it
_JOINED = re.compile(_JOIN, re.IGNORECASE)
_SPREAD = _pattern(_LOOSE)
_FIRST_NUMBER = re.compile(r"[^0-9A-Za-z.;!?。；！？\n](?:[a-z]+[ :,-]+)*[0-9]", re.IGNORECASE)
_SEPARATORS = re.compile("[^0-9A-Za-z]+")
_WORD_FIRST = re.compile("[A-Za-z]?[a-z]+ ")  # In 1980
_SPACED = re.compile(r"(?:[A-Z]{1,3} ?)?[0-9]{1,8}(?: [0-9]{1,4}){1,9}(?![0-9A-Za-z]|[-/.:][0-9]| ?[年月日])")
_ACCOUNT = re.compile(r"[@$]?((?:live:)?[0-9A-Za-z_][0-9A-Za-z_.-]{2,31}(?:#[0-9]{4})?)(?!@)")
_ACCOUNT_JOIN = re.compile(
    rf"(?: ?(?:handle|user ?name|user|name|account|profile|tag|id|昵称|名)\b)?{_JOIN}", re.IGNORECASE
)
_ACCOUNT_BEFORE = re.compile(
    r"(?<![0-9A-Za-z_.@-])(@?[0-9A-Za-z_][0-9A-Za-z_.-]{3,31})[^\S\n]{0,2}(?:[,(\[]|是|为|\b(?:is|on|via|through))[^\S\n]?"
    r"(?:(?:the|my|our|his|her|their|a|我|他|她|您|你|本人|客户|的|这个)[^\S\n]?){0,3}\Z",
    re.IGNORECASE,
)
_NAMING = re.compile(r"[:=@$]|(?:handle|name|\bid) (?:is|was)\b", re.IGNORECASE)
_HANDLE = re.compile(r"@[A-Za-z_][0-9A-Za-z_.-]{2,30}(?![0-9A-Za-z@])")
_VERSION = re.compile(r"v?[0-9]+(?:\.[0-9]+)+", re.IGNORECASE)
_PLAIN_WORD = re.compile(
    r"[A-Z]?[a-z]{1,3}|app|apps|page|pay|web|bot|and|for|with|that|this|from|have|not|the|is|was|are"
)
_SURE_JOIN = re.compile(r"[:=@$(]|是|为|号|\b(?:is|id|as|handle|username|user name)\b", re.IGNORECASE)


_MILITARY = re.compile(rf"[{_ARMS}]{{1,2}}字第[0-9]{{6,8}}号?")
_TRAVEL = re.compile(
    r"(?<![0-9A-Za-z])(?:(?P<passport>E[A-HJ-NP-Z][0-9]{7}|[EGDSP][0-9]{8}|[DSP]E[0-9]{7})|[HMCW][0-9]{8}(?:[0-9]{2})?)"
    r"(?![0-9A-Za-z])"
)


def find(page: Page) -> Iterator[Found]:
    for type, shape in (_SHAPES | _STRICT if page.is_strict else _SHAPES).items():
        for start, end in page.labels.named(type):
            found = _forward(page.text, end, type, shape) if page.has_number(end, end + _REACH) else None
            if found is None and type in _BACK:
                found = _backward(page, start, type, shape)
            if found is not None:
                yield found
    yield from _unlabelled(page)
    yield from _accounts(page)
    yield from _tax_ids(page)


def _unlabelled(page: Page) -> Iterator[Found]:
    """Papers whose form is their own: military ones anywhere, passports and permits where someone travels."""
    text = page.text
    for _, end, _ in page.words.get("military", ()):
        if (match := _MILITARY.search(text, max(0, end - 5), end + 10)) is not None:
            yield Found(*match.span(), "CN_MILITARY_ID", 0.8)
    for word in page.words.get("travel", ()):
        for match in _TRAVEL.finditer(page.plain, max(0, word.start - 40), word.end + 60):
            labels = page.labels.of(*match.span())
            if not labels or labels[0] != AGAINST:
                yield Found(*match.span(), "PASSPORT" if match["passport"] else "CN_PERMIT", 0.7)


def _forward(text: str, at: int, type: str, shape: Shape) -> Found | None:
    join = _JOINED.match(text, at)
    at = join.end() if join else at
    value = shape.value.match(text, at)
    spaced = _SPACED.match(text, at)  # digits in groups
    if spaced is not None and _fits(spaced[0], shape) and (value is None or value.end() < spaced.end()):
        value = spaced
    elif value is None or not _fits(value[0], shape):
        value = _SPREAD.match(text, at)
    return Found(at, value.end(), type, shape.score) if value and _fits(value[0], shape) else None


def _backward(page: Page, at: int, type: str, shape: Shape) -> Found | None:
    run = page.number_before(at)
    if run is None or at - run[1] > _REACH_BACK or _JOINED_BACK.fullmatch(page.text, run[1], at) is None:
        return None
    found = _BEFORE.search(page.text, max(run[0], run[1] - _REACH), run[1])
    return Found(*found.span(), type, shape.score - 0.1) if found and _fits(found[0], shape) else None


def _fits(value: str, shape: Shape) -> bool:
    if _WORD_FIRST.match(value):
        return False
    plain = _SEPARATORS.sub("", value)
    digits = sum(map(str.isdigit, plain))
    return (
        shape.digits <= digits
        and shape.least <= len(plain) <= shape.longest
        and (digits == len(plain) or not shape.only_digits)
    )


def _accounts(page: Page) -> Iterator[Found]:
    text = page.text
    for start, end in page.labels.named("ACCOUNT"):
        join = _ACCOUNT_JOIN.match(text, end)
        at = join.end() if join else end
        value = _ACCOUNT.match(text, at)
        if value is not None and (name := _account_name(value[1])):
            sure = _SURE_JOIN.search(text, max(start, end - 2), value.start(1)) is not None
            if name.isalpha():
                sure = not text[end - 1].isascii() and "(" not in text[end : value.start(1)] and sure
                sure = sure or _NAMING.search(text, start, value.start(1)) is not None
            apart = at > end or name.isdigit() or not text[end - 1].isascii()
            if sure or (apart and ((any(map(str.isdigit, name)) and len(name) >= 5) or "_" in name)):
                yield Found(value.start(), value.start(1) + len(name), "ACCOUNT", 0.85 if sure else 0.6)
                continue
        before = _ACCOUNT_BEFORE.search(text, max(0, start - 44), start)
        if before is not None and _account_name(before[1]) and any(c.isdigit() or c in "_@" for c in before[0][:32]):
            yield Found(*before.span(1), "ACCOUNT", 0.7)
    at = -1
    while (at := text.find("@", at + 1)) >= 0:
        handle = _HANDLE.match(text, at)
        if handle is not None and not (at and (text[at - 1].isalnum() or text[at - 1] in "@._-")):
            end = at + len(handle[0].rstrip("._-"))
            if "ACCOUNT" in page.labels.of(at, end):
                yield Found(at, end, "ACCOUNT", 0.75)


def _account_name(written: str) -> str:
    """The name of an account, or nothing: a version, a word, a number too short or long."""
    name = written.rstrip("._-:#")
    if _VERSION.fullmatch(name):
        return ""
    return (
        name if (5 <= len(name) <= 16 if name.isdigit() else len(name) >= 3 and not _PLAIN_WORD.fullmatch(name)) else ""
    )


_TAX_PREFIX = re.compile(
    r"(?<![0-9A-Za-z])(?:AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|GR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI|CHE)"
    r"[ -]?[0-9A-Z](?:[ .-]?[0-9A-Z]){6,12}(?![0-9A-Za-z])"
)
_TAX_FORM = re.compile(r"(?<![0-9A-Za-z])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?![0-9A-Za-z])")  # CPF
_TAX_MODULES = (
    "eu.vat",
    "us.ein",
    "gb.vat",
    "gb.utr",
    "br.cpf",
    "br.cnpj",
    "de.idnr",
    "de.stnr",
    "it.codicefiscale",
    "it.iva",
    "es.nif",
    "es.nie",
    "es.cif",
    "fr.nif",
    "fr.siren",
    "fr.siret",
    "fr.tva",
    "au.abn",
    "au.tfn",
    "in_.pan",
    "in_.gstin",
    "in_.aadhaar",
    "ca.sin",
    "ca.bn",
    "mx.rfc",
    "ar.cuit",
    "cl.rut",
    "pl.pesel",
    "pl.nip",
    "nl.bsn",
    "nl.btw",
    "be.vat",
    "be.nn",
    "se.personnummer",
    "se.orgnr",
    "no.mva",
    "no.orgnr",
    "no.fodselsnummer",
    "fi.hetu",
    "fi.alv",
    "dk.cpr",
    "dk.cvr",
    "ru.inn",
    "jp.cn",
    "kr.brn",
    "kr.rrn",
    "tr.tckimlik",
    "za.idnr",
    "sg.uen",
    "nz.ird",
    "il.idnr",
    "ch.vat",
    "ch.uid",
    "ch.ssn",
    "tw.ubn",
    "pt.nif",
    "gr.vat",
    "ie.pps",
    "ie.vat",
    "hr.oib",
    "ro.cnp",
    "ro.cf",
    "bg.egn",
    "bg.vat",
    "cz.rc",
    "cz.dic",
    "hu.anum",
    "ee.ik",
    "lt.pvm",
    "lv.pvn",
    "at.uid",
    "at.tin",
    "lu.tva",
    "si.ddv",
    "sk.dph",
    "cy.vat",
    "mt.vat",
    "ua.edrpou",
    "th.pin",
    "my.nric",
    "id.npwp",
    "vn.mst",
)


_TAX_VALUE = _pattern(r"[0-9A-Za-z][0-9A-Za-z]{0,20}(?:[-/.][0-9A-Za-z]{1,12}){0,5}")
_TAX_CHECKS = 64  # numbers checked in one page: a check takes up to 0.3 ms; of more the label alone decides


def _tax_ids(page: Page) -> Iterator[Found]:
    text, checked = page.text, 0
    for label, end in page.labels.named("TAX_ID"):
        for start, stop in _tax_candidates(page, label, end):
            checked += 1
            sure = page.is_strict or checked > _TAX_CHECKS
            if sure or any(_is_valid(module, text[start:stop]) for module in _TAX_MODULES):
                yield Found(start, stop, "TAX_ID", 0.9)
                break
    for start, end, digits in page.runs:
        if digits < 7:
            continue
        for match in _TAX_PREFIX.finditer(page.plain, max(0, start - 4), end):
            checked += 1
            module = {"CH": "ch.uid", "GB": "gb.vat"}.get(match[0][:2], "eu.vat")
            if checked > _TAX_CHECKS or _is_valid(module, match[0]):
                yield Found(*match.span(), "TAX_ID", 0.7)
        for match in _TAX_FORM.finditer(text, start, end):
            checked += 1
            if checked > _TAX_CHECKS or _is_valid("br.cpf", match[0]):
                yield Found(*match.span(), "TAX_ID", 0.8)


def _tax_candidates(page: Page, label: int, end: int) -> Iterator[tuple[int, int]]:
    """What may be the number that belongs to the label from ``label`` to ``end``: behind it, or before."""
    text = page.text
    if page.has_number(end, end + _REACH):
        join = _JOINED.match(text, end)
        starts = [join.end() if join else end]
        if (first := _FIRST_NUMBER.search(text, end, end + _REACH)) is not None:  # ABN of the company: 51 824 ...
            starts.append(first.end() - 1)
        for at in dict.fromkeys(starts):
            for pattern in (_TAX_VALUE, _SPACED, _SPREAD):
                value = pattern.match(text, at)
                if value is not None and len(value[0]) <= 24 and sum(map(str.isdigit, value[0])) >= 5:
                    yield value.span()
    run = page.number_before(label)
    if run is not None and label - run[1] <= _REACH_BACK and _JOINED_BACK.fullmatch(text, run[1], label):
        yield max(run[0], run[1] - 24), run[1]


def _is_valid(module: str, number: str) -> bool:
    """By a module of python-stdnum, imported when first asked."""
    return bool(import_module(f"stdnum.{module}").is_valid(number))
