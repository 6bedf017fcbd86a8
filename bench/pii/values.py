"""Valid values of the number kinds, drawn with a seeded generator and checked with python-stdnum where it knows them.

Reserved ranges are used where they exist (documentation networks of RFC 5737 and 3849, 555-01xx in the United States,
Ofcom's numbers for drama); the rest is random and valid by form alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import string
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from random import Random

from stdnum import iban, imei, luhn
from stdnum.au import abn, tfn
from stdnum.br import cpf
from stdnum.cn import ric, uscc
from stdnum.de import idnr
from stdnum.de import vat as de_vat
from stdnum.es import nif
from stdnum.fr import tva
from stdnum.gb import nhs
from stdnum.gb import vat as gb_vat
from stdnum.it import iva
from stdnum.pl import nip
from stdnum.us import ein, itin, rtn, ssn

LETTERS, DIGITS = string.ascii_uppercase, string.digits
ALNUM = string.ascii_letters + DIGITS
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
VIN = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
PLATE = "ABCDEFGHJKLMNPQRSTUVWXYZ"
ISLANDS = ("810000", "820000", "830000")
ROUTING = [f"{n:02}" for n in (*range(1, 13), *range(21, 33))]  # Federal Reserve districts, banks and thrifts
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
# Code of an area (GB/T 2260): a province with a district that exists.
AREAS = [
    "110101",
    "110108",
    "120104",
    "130102",
    "140105",
    "150102",
    "210102",
    "220102",
    "230103",
    "310104",
    "310115",
    "320102",
    "320505",
    "330106",
    "330203",
    "340104",
    "350203",
    "360102",
    "370102",
    "370202",
    "410102",
    "420106",
    "430102",
    "440106",
    "440305",
    "450103",
    "460105",
    "500103",
    "510104",
    "520102",
    "530102",
    "540102",
    "610103",
    "620102",
    "630102",
    "640104",
    "650102",
]


def pick(rng: Random, alphabet: str, n: int) -> str:
    return "".join(rng.choices(alphabet, k=n))


def until(draw: Callable[[], str], is_valid: Callable[[str], bool]) -> str:
    """The first drawn value that is valid."""
    while not is_valid(value := draw()):
        pass
    return value


def fill(rng: Random, form: str) -> str:
    """``#`` becomes a digit, ``%`` one of 1 to 9, ``@`` a capital letter, ``~`` a letter or digit."""
    kinds = {"#": DIGITS, "%": DIGITS[1:], "@": LETTERS, "~": ALNUM}
    return "".join(rng.choice(kinds[c]) if c in kinds else c for c in form)


def birthday(rng: Random) -> date:
    return date(1938, 1, 1) + timedelta(days=rng.randrange(365 * 78))


def cn_id(rng: Random) -> str:
    """Of a resident (place and year must fit: districts come and go), of Hong Kong, Macao or Taiwan, of a foreigner."""

    def draw(place: str) -> str:
        body = place + f"{birthday(rng):%Y%m%d}" + pick(rng, DIGITS, 3)
        return body + ric.calc_check_digit(body + "0")  # it wants all 18

    kind = rng.random()
    if kind < 0.06:  # permanent resident: 9, place of issue, nationality
        return draw("9" + rng.choice(("11", "31", "44")) + rng.choice(("840", "392", "826")))
    return draw(rng.choice(ISLANDS)) if kind < 0.1 else until(lambda: draw(rng.choice(AREAS)), ric.is_valid)


def cn_uscc(rng: Random) -> str:
    body = rng.choice(("91", "91", "91", "92", "93", "12", "52")) + rng.choice(AREAS) + pick(rng, USCC, 9)
    return body + str(uscc.calc_check_digit(body))


def bank_card(rng: Random, language: str) -> str:
    zh = ("622202#########", "621700############", "622848#############", "625912#########", "623058############")
    en = ("4###########", "51##########", "55##########", "37###########", "6011###########", "4##############")
    form = rng.choice(zh if language == "zh" else en)
    size = 15 if form.startswith("37") else 16 if language == "en" else rng.choice((16, 19))
    body = fill(rng, form[: size - 1].ljust(size - 1, "#"))
    return body + luhn.calc_check_digit(body)


def bank_account(rng: Random, language: str) -> str:
    zh = ("%##################", "%################", "%###########", "%##############")
    en = ("%#######", "%#########", "%###########", "00########")
    return until(lambda: fill(rng, rng.choice(zh if language == "zh" else en)), lambda v: not luhn.is_valid(v))


def iban_number(rng: Random) -> str:
    forms = ("DE##################", "GB@@@@##############", "FR#######################", "NL@@@@##########")
    form = rng.choice((*forms, "ES####################", "IT@######################", "CH#################"))
    country, rest = form[:2], fill(rng, form[2:])
    for _ in range(100_000):
        body = country + "00" + rest
        value = country + iban.calc_check_digits(body) + rest
        if iban.is_valid(value) or country not in ("DE", "GB", "NL", "CH"):
            break
        rest = fill(rng, form[2:])
    return value if iban.is_valid(value) else iban_number(rng)


def vin(rng: Random) -> str:
    values = dict(zip(DIGITS, range(10), strict=True))
    values |= dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    text = rng.choice(("LSV", "LFV", "LBV", "1HG", "WBA", "JTD", "5YJ", "KMH", "LGX")) + pick(rng, VIN, 8)
    text += pick(rng, DIGITS, 6)
    remainder = sum(values[c] * w for c, w in zip(text, weights, strict=True)) % 11
    return text[:8] + "0123456789X"[remainder] + text[9:]


def hkid(rng: Random) -> str:
    letters, digits = pick(rng, LETTERS, 1 + (rng.random() < 0.15)), pick(rng, DIGITS, 6)
    values = [36] * (2 - len(letters)) + [ord(c) - 55 for c in letters] + [int(c) for c in digits]
    check = "0123456789A"[-sum(v * w for v, w in zip(values, range(9, 1, -1), strict=True)) % 11]
    return letters + digits + (f"({check})" if rng.random() < 0.7 else check)


def imei_number(rng: Random) -> str:
    body = rng.choice(("35", "86", "01")) + pick(rng, DIGITS, 12)
    return until(lambda: body + luhn.calc_check_digit(body), imei.is_valid)


def cn_plate(rng: Random) -> str:
    head = rng.choice(PROVINCES) + rng.choice(PLATE)
    kind = rng.random()
    if kind < 0.25:  # new energy: D or F first, small cars
        return head + rng.choice("DF") + pick(rng, DIGITS, 5)
    if kind < 0.33:
        return head + pick(rng, DIGITS, 4) + rng.choice("学警挂")
    if kind < 0.36:
        return "粤Z" + pick(rng, DIGITS, 4) + rng.choice("港澳")
    return head + until(lambda: pick(rng, PLATE + DIGITS * 4, 5), lambda v: sum(map(str.isdigit, v)) >= 3)


# Form and check of tax numbers: VAT numbers with their country, and the national ones by their usual names.
TAX: dict[str, tuple[tuple[str, Callable[[str], bool]], ...]] = {
    "vat": (
        ("DE#########", de_vat.is_valid),
        ("FR###########", tva.is_valid),
        ("IT###########", iva.is_valid),
        ("GB#########", gb_vat.is_valid),
        ("PL##########", nip.is_valid),
    ),
    "ein": (("%#-#######", ein.is_valid),),
    "abn": (("%# ### ### ###", abn.is_valid),),
    "tfn": (("### ### ###", tfn.is_valid),),
    "cpf": (("###.###.###-##", cpf.is_valid),),
    "nif": (("########@", nif.is_valid),),
    "idnr": (("%##########", idnr.is_valid),),
}


def tax_id(rng: Random, kind: str = "vat") -> str:
    form, valid = rng.choice(TAX[kind])
    return until(lambda: fill(rng, form), valid)


def nino(rng: Random) -> str:
    first, second = "ABCEGHJKLMNOPRSTWXYZ", "ABCEGHJKLMNPRSTWXYZ"
    bad = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}
    prefix = until(lambda: rng.choice(first) + rng.choice(second), lambda v: v not in bad)
    return fill(rng, rng.choice((f"{prefix}######", f"{prefix} ## ## ## "))) + rng.choice("ABCD")


def us_npi(rng: Random) -> str:
    body = rng.choice("12") + pick(rng, DIGITS, 8)
    return body + luhn.calc_check_digit("80840" + body)


def passport(rng: Random, language: str) -> str:
    zh = ("E########", "G########", "EA#######", "EJ#######", "ED#######", "E########")
    return fill(rng, rng.choice(zh if language == "zh" else ("%########", "@########", "C%#@@#@#@", "5########")))


def driver_licence(rng: Random, language: str) -> str:
    if language == "zh":
        return rng.choice(AREAS)[:4] + pick(rng, DIGITS, 8)
    return fill(rng, rng.choice(("@#######", "@###-####-####", "@@@@@6#%#%#@@9@@", "########", "@## ### ###")))


def social_security(rng: Random) -> str:
    return fill(rng, rng.choice(("@########", "#########", "%#########", "@@#######")))


def medical_record(rng: Random, language: str) -> str:
    forms = ("ZY#######", "########", "M20########", "00########", "MZ-20##-#####")
    return fill(
        rng, rng.choice(forms if language == "zh" else ("########", "MRN-#######", "@####### ", "00-##-##-##"))
    ).strip()


def ipv6(rng: Random) -> str:
    group = [f"{rng.randrange(1, 65536):x}" for _ in range(6)]
    short = f"2001:db8::{group[0]}:{group[1]}"
    return rng.choice((f"2001:db8:{':'.join(group)}", short, f"fe80::{':'.join(group[:4])}"))


def mac(rng: Random) -> str:
    pairs = [f"{rng.randrange(256):02x}" for _ in range(6)]
    text = rng.choice(":-").join(pairs)
    return text.upper() if rng.random() < 0.5 else text


def geo(rng: Random, language: str) -> str:
    north, east = rng.uniform(18.2, 51), rng.uniform(75.1, 134)
    if language == "en":
        north, east = rng.uniform(25, 60), -rng.uniform(1, 120)
    forms = [f"{north:.5f}, {east:.6f}", f"{north:.4f},{east:.4f}"]
    ns, ew = (
        f"{int(north)}°{rng.randrange(60)}'{rng.randrange(60)}\"",
        f"{int(abs(east))}°{rng.randrange(60)}'{rng.randrange(60)}\"",
    )
    forms.append(f"{ns}N {ew}{'E' if east > 0 else 'W'}")
    if language == "zh":
        forms.append(f"北纬{north:.4f}度，东经{east:.4f}度")
        forms.append(f"东经{int(east)}°{rng.randrange(60)}′，北纬{int(north)}°{rng.randrange(60)}′")
    return rng.choice(forms)


def birth_date(rng: Random, language: str) -> str:
    d = birthday(rng)
    month = f"{d:%B}"
    if language == "zh":
        forms = (f"{d.year}年{d.month}月{d.day}日", f"{d:%Y-%m-%d}", f"{d:%Y/%m/%d}", f"{d:%Y.%m.%d}", f"{d:%Y%m%d}")
    else:
        forms = (f"{d:%m/%d/%Y}", f"{d:%Y-%m-%d}", f"{month} {d.day}, {d.year}", f"{d.day} {month} {d.year}")
    return rng.choice(forms)


def base58check(rng: Random, version: int) -> str:
    payload = bytes([version]) + rng.randbytes(20)
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    n, out = int.from_bytes(raw, "big"), ""
    while n:
        n, digit = divmod(n, 58)
        out = BASE58[digit] + out
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + out


def bech32(rng: Random) -> str:
    """A version 0 witness address (BIP 173)."""
    alphabet, hrp = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", "bc"
    data = [0] + [rng.randrange(32) for _ in range(31)] + [rng.choice((0, 16))]
    data = data[:33]
    checksum = 1
    for v in [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp] + data + [0] * 6:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ v
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= g if top >> i & 1 else 0
    checksum ^= 1
    return hrp + "1" + "".join(alphabet[v] for v in data + [checksum >> 5 * (5 - i) & 31 for i in range(6)])


def crypto(rng: Random) -> str:
    kinds: tuple[Callable[[], str], ...] = (
        lambda: base58check(rng, 0),
        lambda: base58check(rng, 5),
        lambda: bech32(rng),
        lambda: "0x" + rng.randbytes(20).hex(),
    )
    return rng.choice(kinds)()


def jwt(rng: Random) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    body = {"sub": str(rng.randrange(10**9)), "iat": 1_700_000_000 + rng.randrange(10**7)}
    return ".".join((part(b'{"alg":"HS256","typ":"JWT"}'), part(json.dumps(body).encode()), part(rng.randbytes(32))))


def password(rng: Random) -> str:
    return until(
        lambda: pick(rng, ALNUM + "!@#$%&*", rng.randrange(9, 15)),
        lambda v: any(map(str.isdigit, v)) and any(map(str.isupper, v)) and any(c in "!@#$%&*" for c in v[1:-1]),
    )


def secret(rng: Random) -> str:
    forms = ("AKIA" + "^" * 16, "ghp_" + "~" * 36, "sk-" + "~" * 48, "LTAI5t" + "~" * 18, "AKID" + "~" * 32)
    form = rng.choice(
        (*forms, "xoxb-%###########-%###########-" + "~" * 24, "glpat-" + "~" * 20, "AIza" + "~" * 35, "jwt")
    )
    return jwt(rng) if form == "jwt" else fill(rng, form.replace("^", "@"))


def pem(rng: Random) -> str:
    body = base64.b64encode(rng.randbytes(144)).decode()
    rows = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{rows}\n-----END PRIVATE KEY-----"


def wrong_digit(rng: Random, value: str, is_valid: Callable[[str], bool]) -> str:
    """The value with its last digit changed so that it is no longer valid."""
    return until(lambda: value[:-1] + rng.choice(DIGITS), lambda v: not is_valid(v))


SIMPLE: dict[str, Callable[[Random], str]] = {
    "CN_ID": cn_id,
    "CN_USCC": cn_uscc,
    "IBAN": iban_number,
    "VIN": vin,
    "HKID": hkid,
    "IMEI": imei_number,
    "CN_PLATE": cn_plate,
    "TAX_ID": tax_id,
    **{f"TAX_ID.{kind}": partial(tax_id, kind=kind) for kind in TAX},
    "UK_NINO": nino,
    "US_NPI": us_npi,
    "UK_NHS": lambda rng: fill(rng, until(lambda: fill(rng, "### ### ####"), nhs.is_valid)).replace(
        " ", rng.choice(("", " "))
    ),
    "US_SSN": lambda rng: until(lambda: fill(rng, "###-##-####"), ssn.is_valid),
    "US_ITIN": lambda rng: until(lambda: fill(rng, "9##-##-####"), itin.is_valid),
    "US_ROUTING": lambda rng: until(lambda: rng.choice(ROUTING) + pick(rng, DIGITS, 7), rtn.is_valid),
    "CN_PERMIT": lambda rng: fill(rng, rng.choice(("H########", "M########", "H##########", "M##########"))),
    "CN_PERMIT.taiwan": lambda rng: fill(rng, "%#######"),
    "CN_MILITARY_ID": lambda rng: rng.choice("军参政后装南北沈兰成济广海空") + fill(rng, "字第%######号"),
    "CN_SOCIAL_SECURITY": social_security,
    "MAC": mac,
    "CRYPTO": crypto,
    "SECRET": secret,
    "SECRET.password": password,
    "SECRET.pem": pem,
}
BY_LANGUAGE: dict[str, Callable[[Random, str], str]] = {
    "BANK_CARD": bank_card,
    "BANK_ACCOUNT": bank_account,
    "PASSPORT": passport,
    "DRIVER_LICENCE": driver_licence,
    "MEDICAL_RECORD": medical_record,
    "GEO": geo,
    "BIRTH_DATE": birth_date,
}
