"""Keys, tokens, passwords and addresses of crypto currencies.

Keys of known services are told by how they begin; anything else by a label with a mark (``password=``, 密码是) and
what is written there: no word, no placeholder, no piece of a program. In the spirit of detect-secrets. Addresses of
Bitcoin (Base58Check, Bech32) and Ethereum (EIP-55) check themselves.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator

from fathom._guard import eip55, words

from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"SECRET", "CRYPTO"})

_PREFIXES: dict[str, str] = {  # how a key begins -> the whole of it, or around its group
    "-----BEGIN": r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[0-9A-Za-z+/=\s:,.\\]|-(?!----)){16,3800}+(?:-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----)?",
    "eyJ": r"eyJ[\w-]{8,1500}\.(?:eyJ)?[\w-]{8,1500}(?:\.[\w-]{0,600})?(?:\.[\w-]{0,600}){0,2}",
    "AKIA": r"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])",
    "ASIA": r"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])",
    "LTAI": r"LTAI[0-9A-Za-z]{12,26}(?![0-9A-Za-z])",
    "AKID": r"AKID[0-9A-Za-z]{13,40}(?![0-9A-Za-z])",
    "ghp_": r"ghp_[0-9A-Za-z]{30,255}",
    "gho_": r"gho_[0-9A-Za-z]{30,255}",
    "ghu_": r"ghu_[0-9A-Za-z]{30,255}",
    "ghs_": r"ghs_[0-9A-Za-z]{30,255}",
    "ghr_": r"ghr_[0-9A-Za-z]{30,255}",
    "github_pat_": r"github_pat_\w{22,255}",
    "glpat-": r"glpat-[\w-]{16,64}",
    "glrt-": r"glrt-[\w-]{16,64}",
    "xoxb-": r"xoxb-[0-9A-Za-z-]{10,200}",
    "xoxp-": r"xoxp-[0-9A-Za-z-]{10,200}",
    "xoxa-": r"xoxa-[0-9A-Za-z-]{10,200}",
    "xoxr-": r"xoxr-[0-9A-Za-z-]{10,200}",
    "xoxs-": r"xoxs-[0-9A-Za-z-]{10,200}",
    "xapp-": r"xapp-[0-9A-Za-z-]{10,200}",
    "hooks.slack.com/services/": r"hooks\.slack\.com/services/[0-9A-Za-z/_-]{20,120}",
    "sk-": r"sk-(?=[\w-]{0,60}[0-9])(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-|or-v1-|lf-)?[\w-]{16,250}",
    "AIza": r"AIza[\w-]{30,40}",
    "ya29.": r"ya29\.[\w-]{20,400}",
    "GOCSPX-": r"GOCSPX-[\w-]{20,40}",
    "sk_live_": r"sk_live_\w{10,255}",
    "sk_test_": r"sk_test_\w{10,255}",
    "rk_live_": r"rk_live_\w{10,255}",
    "rk_test_": r"rk_test_\w{10,255}",
    "pk_live_": r"pk_live_\w{10,255}",
    "whsec_": r"whsec_[\w+/=]{16,255}",
    "AKLT": r"AKLT[0-9A-Za-z_-]{20,60}",
    "ALTAK": r"ALTAK[0-9A-Za-z]{16,40}",
    "dckr_pat_": r"dckr_pat_[\w-]{20,60}",
    "dapi": r"dapi[0-9a-f]{32}",
    "lin_api_": r"lin_api_[0-9A-Za-z]{30,60}",
    "figd_": r"figd_[\w-]{30,60}",
    "gsk_": r"gsk_[0-9A-Za-z]{40,60}",
    "pplx-": r"pplx-[0-9A-Za-z]{40,60}",
    "xai-": r"xai-[0-9A-Za-z]{40,100}",
    "r8_": r"r8_[0-9A-Za-z]{30,50}",
    "hvs.": r"hvs\.[\w-]{20,120}",
    "glsa_": r"glsa_[0-9A-Za-z_]{30,60}",
    "ATATT": r"ATATT[\w=-]{50,250}",
    "PMAK-": r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    "shpss_": r"shpss_[0-9a-fA-F]{32}",
    "shpca_": r"shpca_[0-9a-fA-F]{32}",
    "key-": r"key-[0-9a-f]{32}(?![0-9A-Za-z])",
    "pk_test_": r"pk_test_\w{10,255}",
    "$2": r"\$2[aby]\$[0-9]{2}\$[./0-9A-Za-z]{53}",
    ":AA": r":AA[\w-]{33}(?![\w-])",
    "hf_": r"hf_[0-9A-Za-z]{30,64}",
    "npm_": r"npm_[0-9A-Za-z]{30,64}",
    "pypi-": r"pypi-[\w-]{50,300}",
    "dop_v1_": r"dop_v1_[0-9a-f]{64}",
    "shpat_": r"shpat_[0-9a-fA-F]{32}",
    "SG.": r"SG\.[\w-]{16,32}\.[\w-]{16,64}",
    "sq0csp-": r"sq0csp-[\w-]{43}",
    "AGE-SECRET-KEY-1": r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    "AccountKey=": r"AccountKey=([0-9A-Za-z+/=]{40,100})",
    "Bearer ": r"Bearer ([0-9A-Za-z._~+/-]{16,1500}=*)",
    "Basic ": r"Basic ((?=[0-9A-Za-z+/]{0,40}[0-9A-Z])[0-9A-Za-z+/]{12,400}={0,2})(?![0-9A-Za-z])",
    " -u ": r""" -u ["']?[0-9A-Za-z_.@-]{1,64}:([!#-&(-~]{4,256})""",
    "--user ": r"""--user[ =]["']?[0-9A-Za-z_.@-]{1,64}:([!#-&(-~]{4,256})""",
}
_KEYS = [re.compile(pattern, re.ASCII) for pattern in _PREFIXES.values()]

WORDS = {"secret.prefix": list(_PREFIXES)}
_WITHIN_WORD = re.compile("[0-9A-Za-z_][0-9A-Za-z]")
_QUOTED = 200  # characters within quotes, at most
_CLOSING = {"“": "”", "「": "」"}
_SPACE = re.compile(r"(?:号|码|号码)?[([【「]?[^\S\n]{0,2}")
_DIGIT = re.compile("[0-9]")
_CHANGED = "(?:已|被|现)?(?:重置|修改|更新|更改|变更|设置|设定|设|改)(?:为|成)"
_MARK = re.compile(
    rf"""(?:(?: for [0-9A-Za-z ]{{1,24}}?)?[0-9A-Za-z_.-]{{0,24}}?["'”」]?[^\S\n]{{0,3}}"""
    rf"""(?:[:=]{{1,2}}>?|=>|->|是|为|\bis|\bwas|{_CHANGED})|(?:号|码|号码)?(?:是|为)|["'”」]?[^\S\n]{{0,3}}[:=]|"""
    r"""[^\S\n]{1,2}(?=["'“「`]))[^\S\n]{0,3}"""
)
_VALUE = re.compile(r"""(["'“「`]?)([!#-&(-+\--:<-_a-~]{4,512})""")
_NO_VALUE = re.compile(
    r"(?:[*xX.•#?_-]+|null|none|nil|true|false|undefined|required|optional|string|str|int|bytes|bool|any|empty|example|"
    r"changeme|placeholder|redacted|masked|hidden|secret|password|token|your[-_ ]?\w*|"
    r"my[-_]?(?:password|token|secret|key)|<.*|\$\{.*|\{\{.*|%\(.*|\[.*|%[sd]|\$[A-Za-z_]+|https?://.*)\Z",
    re.IGNORECASE,
)
_FILES = re.compile(r"\.(?:json|ya?ml|toml|ini|conf|env|txt|pem|key|py|js|ts|sh|md|xml|properties)\Z", re.IGNORECASE)
_PROGRAM = re.compile(
    r"[A-Za-z_][\w]*(?:(?:\.|->|::)[A-Za-z_]\w*)+[(\[;,]?.*\Z|[A-Za-z_]\w*[(\[{].*\Z|[A-Za-z_]+\Z|[A-Z][a-z]+-[A-Z][A-Za-z]+\Z",
    re.ASCII,
)

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_ADDRESS = re.compile(
    r"(?P<base58>[13LDT][1-9A-HJ-NP-Za-km-z]{25,33})\Z|(?P<bech32>(?:bc1|BC1|tb1|ltc1)[0-9A-Za-z]{11,71})\Z|"
    r"0[xX](?P<ether>[0-9A-Fa-f]{40})\Z"
)


def find(page: Page) -> Iterator[Found]:
    text = page.text
    for start, _, number in page.words.get("secret.prefix", ()):
        if start and _WITHIN_WORD.match(text, start - 1):
            continue
        if (match := _KEYS[number].match(text, start)) is not None:
            yield Found(*match.span(match.re.groups), "SECRET", 0.95)
    for start, end in page.labels.named("SECRET"):
        if (span := _labelled(text, start, end)) is not None:
            yield Found(*span, "SECRET", 0.85)
    for start, end in words(page.plain, 26).tolist():
        if (match := _ADDRESS.match(text, start, end)) is not None:
            yield from _address(page, match)


def _labelled(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the secret stands that belongs to the label from ``start`` to ``end``."""
    mark = _MARK.match(text, end) or _SPACE.match(text, end)
    if mark is None or text[start - 1 : start] == "=" or (not mark[0] and text[end - 1].isascii()):
        return None  # a value itself, or a part of a word
    value = _VALUE.match(text, mark.end())
    if value is None:
        return None
    first = value.start(2)
    quote = value[1]
    if quote and (close := text.find(_CLOSING.get(quote, quote), first, first + _QUOTED)) > 0:
        phrase = text[first:close]
        return (first, close) if len(phrase) >= 4 and not _NO_VALUE.match(phrase) else None
    secret = _trimmed(value[2])
    if len(secret) < 4 or not _is_secret(secret[:64], mark, bool(quote), not text[end - 1].isascii()):
        return None
    return first, first + len(secret)


def _trimmed(written: str) -> str:
    """Without the punctuation of the sentence around it."""
    secret = written.rstrip(".,;:!?")
    while secret and secret[-1] in ")]}>" and secret.count(secret[-1]) > secret.count("([{<"[")]}>".index(secret[-1])]):
        secret = secret[:-1].rstrip(".,;:!?")
    return secret


def _is_secret(head: str, mark: re.Match[str], quoted: bool, chinese: bool) -> bool:
    """Whether what begins with ``head`` is no word, placeholder or program. ``chinese``: its label is."""
    if _NO_VALUE.match(head) or _FILES.search(head):
        return False
    has_digit = _DIGIT.search(head) is not None
    kinds = (head != head.lower()) + (head != head.upper()) + has_digit + (not head.isalnum())
    if mark.re is _SPACE and not quoted:  # nothing between label and secret but a space or bracket, or not even that
        return len(head) >= 8 and has_digit and (kinds >= 3 if len(head) < 20 else _bits(head) > 3)
    chinese = chinese or not mark[0].isascii()
    if not quoted and _PROGRAM.match(head) and not (chinese and len(head) >= 6 and "(" not in head):
        return False
    if chinese:
        return True
    if not (quoted or ":" in mark[0] or "=" in mark[0]):  # "the password is ..."
        return kinds >= 2 and has_digit
    return kinds >= 2 or head.isdigit() or _bits(head) >= 2.5


def _bits(value: str) -> float:
    """Shannon entropy of a character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())


def _address(page: Page, match: re.Match[str]) -> Iterator[Found]:
    address = match[0]
    if match["base58"]:
        good = _is_base58check(address)
    elif match["bech32"]:
        good = _is_bech32(address)
    else:
        digits = match["ether"]
        one_case = digits in (digits.lower(), digits.upper())
        good = one_case or eip55(digits) or "CRYPTO" in page.labels.of(*match.span())
    if good:
        yield Found(*match.span(), "CRYPTO", 0.95)


def _is_base58check(address: str) -> bool:
    """Base58Check of a version byte and 20 bytes (Bitcoin and its kin)."""
    number = 0
    for character in address:
        number = number * 58 + _BASE58.index(character)
    try:
        data = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def _is_bech32(address: str) -> bool:
    """BIP 173 and BIP 350."""
    if address not in (address.lower(), address.upper()):
        return False
    human, _, data = address.lower().rpartition("1")
    if len(data) < 6 or any(character not in _BECH32 for character in data):
        return False
    values = [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human] + [_BECH32.index(c) for c in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
