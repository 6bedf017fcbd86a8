"""How people and systems distort a number: glued to Chinese text, full-width, invisible characters inside, spaced."""

from __future__ import annotations

from random import Random

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
NUMERALS = dict(zip("0123456789", "零幺二三四五六七八九", strict=True))

# Types whose values are numbers (or letters and digits) of a register.
NUMBERS = frozenset(
    [
        "PHONE",
        "IP",
        "MAC",
        "IMEI",
        "CN_ID",
        "PASSPORT",
        "CN_PERMIT",
        "HKID",
        "DRIVER_LICENCE",
        "CN_SOCIAL_SECURITY",
        "MEDICAL_RECORD",
        "US_SSN",
        "US_ITIN",
        "US_NPI",
        "UK_NINO",
        "UK_NHS",
        "TAX_ID",
        "CN_USCC",
        "CN_PLATE",
        "VIN",
        "BANK_CARD",
        "BANK_ACCOUNT",
        "IBAN",
        "US_ROUTING",
    ]
)
# Where people put spaces, and the groups they make; () means groups of four from the left.
GROUPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "PHONE": ((3, 4, 4), (3, 4, 4), (4, 3, 4)),
    "CN_ID": ((6, 8, 4), (6, 4, 4, 4), (3, 3, 4, 4, 4)),
    "BANK_CARD": ((),),
    "BANK_ACCOUNT": ((),),
    "IBAN": ((),),
    "CN_USCC": ((2, 6, 10), ()),
    "IMEI": ((2, 6, 6, 1), (8, 7)),
    "CN_PLATE": ((2, 6),),
    "PASSPORT": ((1, 4, 4), (3, 3, 3)),
    "CN_PERMIT": ((1, 4, 4, 2), (1, 8, 2)),
    "DRIVER_LICENCE": ((),),
    "CN_SOCIAL_SECURITY": ((3, 3, 3),),
    "MEDICAL_RECORD": ((),),
    "UK_NHS": ((3, 3, 4),),
    "US_NPI": ((4, 3, 3),),
    "US_ROUTING": ((4, 4, 1),),
    "US_SSN": ((3, 2, 4),),
    "US_ITIN": ((3, 2, 4),),
    "UK_NINO": ((2, 2, 2, 2, 1),),
}
PERSONAL_DIGITS = frozenset({"PHONE", "CN_ID", "BANK_CARD"})  # also written with a space behind every digit


def full_width(value: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)


def invisible(rng: Random, value: str) -> str:
    """One to three invisible characters inside, never at the ends."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(1, len(value))
        value = value[:at] + rng.choice(INVISIBLE) + value[at:]
    return value


def spaced(rng: Random, type: str, value: str, language: str) -> str | None:
    """In groups with spaces, hyphens or dots; None where nobody writes this kind so."""
    if type not in GROUPS or (not value.isascii() and type != "CN_PLATE") or "+" in value:
        return None
    bare = value.replace("-", "").replace(" ", "")
    if type == "PHONE" and not (bare.isdigit() and (len(bare), bare[0] == "1") in ((11, True), (10, False))):
        return None  # mobiles of China, numbers of North America
    separator = rng.choice("  -." if language == "zh" and type != "CN_PLATE" else "  -")
    if type == "CN_PLATE":
        separator = rng.choice("·. -")
    if type in PERSONAL_DIGITS and language == "zh" and rng.random() < 0.25:
        return " ".join(bare)
    sizes = rng.choice(GROUPS[type]) or (4,) * (len(bare) // 4 + 1)
    if type == "PHONE" and len(bare) == 10:
        sizes = (3, 3, 4)
    groups, at = [], 0
    for size in sizes:
        groups.append(bare[at : at + size])
        at += size
    return separator.join(g for g in (*groups, bare[at:]) if g)


def numerals(value: str) -> str:
    return "".join(NUMERALS[c] for c in value)


def is_cjk(c: str) -> bool:
    return "\u3400" <= c <= "\u9fff"


def plain_gap(before: str, after: str, rng: Random) -> tuple[str, str]:
    """The neighbours of a Chinese sentence's number, set apart from it: by a colon, in mid-sentence by spaces."""
    inside = after and is_cjk(after[0])
    if before and is_cjk(before[-1]):
        before += " " if inside else rng.choice(("：", "：", ":", " ", ": "))
    return before, " " + after if inside else after


def glued_gap(before: str, after: str, rng: Random) -> tuple[str, str] | None:
    """The neighbours moved up to the number; None where no Chinese character stands before it."""
    before = before.rstrip("：: ，、")
    if not (before and is_cjk(before[-1])):
        return None
    bare = after.lstrip("，、。；,; ")
    if bare and is_cjk(bare[0]):
        return before, bare
    if not bare:
        return before, rng.choice(("请核对", "已登记", "收到请回", "谢谢", "麻烦了", "是对的")) + after
    return before, after
