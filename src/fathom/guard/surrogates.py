"""Values of the same shape that belong to nobody: the same length and separators, checksums that hold.

Numbers come from ranges that are reserved for examples or never given out (sources beside each); where no such range
is known, letters and digits are drawn. What is drawn depends on type and number alone, never on the value, so a
surrogate tells no more than a placeholder does, except the shape.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from ipaddress import IPv6Address
from random import Random

from stdnum import luhn
from stdnum.cn import ric, uscc

from fathom._guard import Literals

from .vault import CLOSE, LONGEST, OPEN, Vault

__all__ = ["assign", "surrogate"]

_ROUNDS = 8  # new candidates for a value before a placeholder stands in
_DIGITS, _LOWER, _UPPER = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ZH_DIGITS = "一二三四五六七八九"
_SURNAMES = "赵钱孙李周吴郑王冯陈卫蒋沈韩杨朱秦许何吕张孔曹严金魏陶姜谢邹苏潘葛范彭鲁韦马方俞任袁柳"
_GIVEN = "安柏晨初丹恩帆谷禾嘉凯岚明宁朋启然善棠维希妍一泽若青书文向远云知子竹川河山林溪"
_HAN = "东南西北春夏秋冬江湖松竹梅兰云石星月平安和新华光明长乐永兴福泰"
_FIRST_NAMES, _LAST_NAMES, _NAMES, _KEPT_WORDS = map(
    str.split,
    (
        "Alex Blair Casey Dana Ellis Frankie Gray Harper Indigo Jamie Kendall Logan Morgan Noel Parker Quinn",
        "Ashdown Birchley Cedarson Dunmere Elmwick Fernby Gorsley Hazelton Ivybrook Larchford Mossley",
        "Acme Birchwood Cobalt Driftwood Everglow Foxglove Greyfield Harbourlight Ironleaf Juniper Kestrel",
        "street st road rd avenue ave lane ln drive dr boulevard blvd court ct place pl square way suite floor unit",
    ),
)
_KEPT_HAN = frozenset("省市区县镇乡村街道路巷弄号栋幢座楼层单元室组社自治州盟旗里苑园")
_ZH_ORGANISATION = re.compile(
    r"(?:(?:科技|信息|贸易|文化|投资|实业|集团|技术)*(?:股份|有限|责任)*(?:公司)|集团|银行|医院|大学|学院|中学|小学|研究院|研究所|"
    r"事务所|委员会|协会|基金会|局|厅|部|院|所|中心|厂|店)$"
)
_COMPANY = re.compile(
    r"[ ,]+(?:inc|llc|ltd|limited|corp|corporation|company|co|plc|gmbh|group|bank|university|college|hospital|school)"
    r"\.?$",
    re.IGNORECASE,
)


def assign(values: Iterable[tuple[str, str]], texts: Sequence[str], vault: Vault) -> None:
    """Gives every (type, value) a surrogate in ``vault`` that stands nowhere in ``texts`` and is nothing it knows.

    Values that no surrogate fits are left without one.
    """
    pending = [pair for pair in values if vault.surrogate(*pair) is None and _fits(pair[1])]
    for _ in range(_ROUNDS):
        offers: dict[str, tuple[str, str]] = {}
        for type, value in pending:
            offer = surrogate(type, value, vault.next_draw(type))
            if offer is not None and _fits(offer) and not vault.is_taken(offer):
                offers.setdefault(offer, (type, value))
        names, literals = list(offers), Literals()
        for name in names:
            literals.add(name)
        for text in texts:
            for number in literals.occurring(text):
                offers.pop(names[number], None)
        for offer, (type, value) in offers.items():
            vault.keep(type, value, offer)
        if not (pending := [pair for pair in pending if vault.surrogate(*pair) is None]):
            return


def _fits(value: str) -> bool:
    plain = not any(c in (OPEN, CLOSE) or "\ud800" <= c <= "\udfff" for c in value)
    return plain and 0 < len(value) <= LONGEST


def surrogate(type: str, value: str, number: int) -> str | None:
    """The ``number``-th surrogate of this type in the shape of ``value``; None where there is nothing to change."""
    draw = _Draw(type, number)
    made = _MAKERS[type](value, draw) if type in _MAKERS else None
    made = _shaped(value, draw) if made is None else made
    return made if made != value else None


class _Draw(Random):
    """The same draws for the same type and number."""

    def __init__(self, type: str, number: int) -> None:
        super().__init__(f"{type} {number}")
        self.number = number


def _shaped(value: str, draw: _Draw) -> str:
    """Every letter, digit and Chinese character drawn anew, in its own kind and width; all else stays."""
    return "".join(_drawn(character, draw) for character in value)


def _drawn(character: str, draw: _Draw) -> str:
    if "！" <= character <= "～":  # full-width
        return chr(ord(_drawn(chr(ord(character) - 0xFEE0), draw)) + 0xFEE0)
    for kind in (_DIGITS, _LOWER, _UPPER, _ZH_DIGITS):
        if character in kind:
            return draw.choice(kind)
    return draw.choice(_HAN) if "\u3400" <= character <= "\u9fff" else character


def _bare(value: str) -> str:
    """Letters and digits without width and separators."""
    return "".join(character for character in unicodedata.normalize("NFKC", value) if character.isalnum())


def _dressed(bare: str, value: str) -> str | None:
    """``bare`` with the separators, widths and case of ``value``; None where the letters and digits don't line up."""
    if len(bare) != sum(map(str.isalnum, value)):
        return None
    characters = iter(bare)

    def put(old: str) -> str:
        if not old.isalnum():
            return old
        new = next(characters)
        new = new.lower() if old.islower() else new
        return chr(ord(new) + 0xFEE0) if "！" <= old <= "～" else new

    return "".join(map(put, value))


def _digits(count: int, draw: _Draw) -> str:
    return "".join(draw.choices(_DIGITS, k=count))


def _letters(count: int, draw: _Draw) -> str:
    return "".join(draw.choices(_UPPER, k=count))


def _with_luhn(prefix: str, length: int, draw: _Draw) -> str:
    body = prefix + _digits(length - 1 - len(prefix), draw)
    return body + str(luhn.calc_check_digit(body))


def _person(value: str, draw: _Draw) -> str | None:
    if value.isascii():
        words = iter([draw.choice(_FIRST_NAMES), *draw.choices(_LAST_NAMES, k=value.count(" ") + 1)])
        return re.sub(r"[A-Za-z][A-Za-z'-]*", lambda old: _cased(next(words, "Lee"), old[0]), value)
    if not re.fullmatch("[\u3400-\u9fff]{2,4}", value):
        return None
    return draw.choice(_SURNAMES) + "".join(draw.choices(_GIVEN, k=len(value) - 1))


def _cased(new: str, old: str) -> str:
    if len(old) == 1:
        return new[0]
    return new.upper() if old.isupper() else new.lower() if old.islower() else new


def _organisation(value: str, draw: _Draw) -> str | None:
    if value.isascii():
        ending = _COMPANY.search(value)
        return f"{' '.join(draw.sample(_NAMES, 2))}{ending[0] if ending else ''}"
    ending = _ZH_ORGANISATION.search(value)
    stem = value[: ending.start()] if ending else value
    return _shaped(stem, draw) + value[len(stem) :] if stem else None


def _address(value: str, draw: _Draw) -> str:
    """Words that say what kind of place it is stay."""

    def put(old: re.Match[str]) -> str:
        if old["word"] is None:
            return old[0] if old[0] in _KEPT_HAN else _drawn(old[0], draw)
        return old[0] if old[0].lower() in _KEPT_WORDS else _cased(draw.choice(_LAST_NAMES), old[0])

    return re.sub(r"(?a:\b(?P<word>[A-Za-z]{2,})\b)|.", put, value, flags=re.DOTALL)


def _birth_date(value: str, draw: _Draw) -> str | None:
    """Years 1900 to 1919, whatever the order of day and month."""
    year = str(1900 + draw.randrange(20))
    lengths = [len(group) for group in re.findall("[0-9]+", value)]
    if lengths == [8]:
        return re.sub("[0-9]+", f"{year}{draw.randint(1, 12):02}{draw.randint(1, 12):02}", value)
    if not 2 <= len(lengths) <= 3 or lengths.count(4) != 1 or max(lengths) > 4 or 3 in lengths:
        return None
    put = {4: lambda: year, 2: lambda: f"{draw.randint(1, 12):02}", 1: lambda: str(draw.randint(1, 9))}
    return re.sub("[0-9]+", lambda old: put[len(old[0])](), value)


def _geo(value: str, draw: _Draw) -> str | None:
    """Whole degrees stay in range: 10 to 59."""
    return re.sub(
        r"[0-9]+",
        lambda old: str(draw.randint(10, 59)) if len(old[0]) in (2, 3) else _digits(len(old[0]), draw),
        value,
    )


def _phone(value: str, draw: _Draw) -> str | None:
    """US: 555-0100 to 0199 (NANPA, for fiction). UK: 07700 900xxx (Ofcom, for drama). China keeps none free; its mobile
    numbers get the area code 0000, which is no proof that nobody has them."""
    bare = _bare(value)
    if re.fullmatch(r"(?:0086|86)?1[3-9][0-9]{9}", bare):
        return _dressed(f"{bare[:-8]}{draw.number % 10**8:08}", value)
    if re.fullmatch(r"(?:0044|44|0)7[0-9]{9}", bare):
        return _dressed(bare[:-10] + "7700900" + f"{draw.number % 1000:03}", value)
    if re.fullmatch(r"1?[2-9][0-9]{2}[2-9][0-9]{6}", bare):
        return _dressed(bare[:-10] + f"{draw.randint(200, 989)}55501" + f"{draw.number % 100:02}", value)
    if bare.isdigit() and len(bare) >= 7:  # elsewhere: country or area code stay
        return _dressed(bare[:-7] + _digits(7, draw), value)
    return None


def _email(value: str, draw: _Draw) -> str | None:
    """Domains of RFC 2606."""
    name, at, domain = value.rpartition("@")
    top = domain.rpartition(".")[2].lower()
    return f"{_shaped(name, draw)}{at}example.{top if top in ('com', 'net', 'org') else 'com'}" if at else None


def _url(value: str, draw: _Draw) -> str | None:
    parts = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:([^/@?#]*)@)?([^/?#]*)(.*)", value, re.DOTALL)
    if parts is None:
        return None
    user = f"{_shaped(parts[2], draw)}@" if parts[2] is not None else ""
    return f"{parts[1]}{user}example.com{_shaped(parts[4], draw)}"


def _ip(value: str, draw: _Draw) -> str | None:
    """RFC 5737 and 2544 (IPv4), RFC 3849 (IPv6)."""
    if ":" in value:
        return str(IPv6Address((0x20010DB8 << 96) + draw.number))
    block, host = divmod(draw.number, 254)
    if block < 3:
        return f"{('192.0.2', '198.51.100', '203.0.113')[block]}.{host + 1}"
    return f"198.18.{(block - 3) % 256}.{host + 1}"


def _mac(value: str, draw: _Draw) -> str | None:
    """RFC 7042: 00-00-5E-00-53-xx, then locally administered."""
    return _dressed(f"00005E0053{draw.number:02X}" if draw.number < 256 else f"02005E{draw.number % 2**24:06X}", value)


def _imei(value: str, draw: _Draw) -> str | None:
    return _dressed(_with_luhn("001010", 15, draw), value)  # type allocation code of test devices


def _cn_id(value: str, draw: _Draw) -> str | None:
    """Area 110000 (a whole province: on no card), born before 1920."""
    born = date(1900, 1, 1) + timedelta(days=draw.randrange(7300))
    bare = f"110000{born:%Y%m%d}{draw.randrange(1000):03}"
    if len(_bare(value)) == 15:
        return _dressed(f"110000{born:%y%m%d}{draw.randrange(1000):03}", value)
    return _dressed(bare + ric.calc_check_digit(bare + "0"), value)


def _uscc(value: str, draw: _Draw) -> str | None:
    """Area 000000."""
    body = f"91000000MA{''.join(draw.choices('0123456789ABCDEFGHJKLMNPQRTUWXY', k=7))}"
    return _dressed(body + uscc.calc_check_digit(body), value)


def _hkid(value: str, draw: _Draw) -> str | None:
    if (parts := re.fullmatch("([A-Z]{1,2})[0-9]{6}[0-9A]", _bare(value).upper())) is None:
        return None
    body = _letters(len(parts[1]), draw) + _digits(6, draw)
    worth = [36, *(ord(c) - 55 if c.isalpha() else int(c) for c in body)][-8:]  # a single letter has a space in front
    check = -sum(weight * each for weight, each in zip(range(9, 1, -1), worth, strict=True)) % 11
    return _dressed(body + ("A" if check == 10 else str(check)), value)


def _ssn(value: str, draw: _Draw) -> str | None:
    return _dressed("666" + _digits(6, draw), value)  # area 666 is never given out (SSA)


def _itin(value: str, draw: _Draw) -> str | None:
    return _dressed(f"9{_digits(2, draw)}93{_digits(4, draw)}", value)  # group 93 is kept for adoptions (IRS)


def _npi(value: str, draw: _Draw) -> str | None:
    return _dressed(_with_luhn("808401", 15, draw)[5:], value)


def _nino(value: str, draw: _Draw) -> str | None:
    return _dressed(f"QQ{_digits(6, draw)}{draw.choice('ABCD')}", value)  # QQ: HMRC's examples


def _nhs(value: str, draw: _Draw) -> str | None:
    """999 is the range for tests; check digit modulo 11."""
    for _ in range(20):
        body = "999" + _digits(6, draw)
        check = -sum(weight * int(each) for weight, each in zip(range(10, 1, -1), body, strict=True)) % 11
        if check < 10:
            return _dressed(f"{body}{check}", value)
    return None


def _plate(value: str, draw: _Draw) -> str | None:
    drawn = "".join(
        draw.choice(_DIGITS) if c.isdigit() else draw.choice("ABCDEFGHJK") for c in value[2:] if c.isalnum()
    )
    return _dressed(value[0] + "O" + drawn, value) if len(value) > 2 else None  # O: only on police cars of old


def _vin(value: str, draw: _Draw) -> str | None:
    """Maker ZZZ; check digit at place 9 (49 CFR 565)."""
    letters = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
    body = "ZZZ" + "".join(draw.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=5)) + "0" + _digits(8, draw)
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    check = sum(w * (letters[c] if c.isalpha() else int(c)) for w, c in zip(weights, body, strict=True)) % 11
    return _dressed(f"{body[:8]}{'X' if check == 10 else check}{body[9:]}", value)


def _card(value: str, draw: _Draw) -> str | None:
    """The network's first digit, then an issuer 00000."""
    bare = _bare(value)
    return _dressed(_with_luhn(f"{bare[0]}00000", len(bare), draw), value) if bare.isdigit() and len(bare) > 8 else None


def _iban(value: str, draw: _Draw) -> str | None:
    from stdnum import iban

    bare = _bare(value).upper()
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", bare):
        return None
    account = "".join(_DIGITS[0] if c.isdigit() else "X" for c in bare[4:12]) + _digits(len(bare) - 12, draw)
    return _dressed(bare[:2] + iban.calc_check_digits(f"{bare[:2]}00{account}") + account, value)


def _routing(value: str, draw: _Draw) -> str | None:
    """Prefix 13 belongs to no Federal Reserve district; weights 3, 7, 1 (ABA)."""
    body = "13" + _digits(6, draw)
    check = -sum(weight * int(each) for weight, each in zip((3, 7, 1) * 3, body, strict=False)) % 10
    return _dressed(f"{body}{check}", value)


_MAKERS: Mapping[str, Callable[[str, _Draw], str | None]] = {
    "PERSON": _person,
    "ORGANISATION": _organisation,
    "ADDRESS": _address,
    "BIRTH_DATE": _birth_date,
    "GEO": _geo,
    "PHONE": _phone,
    "EMAIL": _email,
    "URL": _url,
    "IP": _ip,
    "MAC": _mac,
    "IMEI": _imei,
    "CN_ID": _cn_id,
    "DRIVER_LICENCE": _cn_id,
    "CN_SOCIAL_SECURITY": _cn_id,
    "CN_USCC": _uscc,
    "HKID": _hkid,
    "US_SSN": _ssn,
    "US_ITIN": _itin,
    "US_NPI": _npi,
    "UK_NINO": _nino,
    "UK_NHS": _nhs,
    "CN_PLATE": _plate,
    "VIN": _vin,
    "BANK_CARD": _card,
    "IBAN": _iban,
    "US_ROUTING": _routing,
}
