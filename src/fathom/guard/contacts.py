"""How people and machines are reached: e-mail, web addresses that carry something personal, IP and MAC addresses.

Each begins with a mark that is rare (``@``, ``://``, a colon between hexadecimal digits), from which both sides are
read as far as they may reach. Also e-mail written for people only: ``zhang (at) example dot com``, 艾特.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from fathom._guard import machines

from .context import AGAINST
from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"EMAIL", "URL", "IP", "MAC"})

WORDS = {"at": [" at ", "(at)", "[at]", "{at}", "<at>", "艾特"]}

_LATIN = "0-9A-Za-z\u00c0-\u024f"
_LOCAL = re.compile(rf"[{_LATIN}._%+'-]{{1,64}}\Z")
_TLD = r"(?:[A-Za-z]{2,24}|xn--[0-9A-Za-z-]{2,59})(?![0-9A-Za-z])"
_DOMAIN = re.compile(rf"@ ?((?:[{_LATIN}](?:[{_LATIN}-]{{0,61}}[{_LATIN}])?[.。]){{1,8}}{_TLD})")
_HAN_DOMAIN = re.compile(
    r"@((?:[0-9A-Za-z\u4e00-\u9fff-]{1,30}\.){1,4}"
    r"(?:中国|公司|网络|网址|商城|集团|我爱你|手机|中文网|公益|政务|(?:com|cn|net|org)(?![0-9A-Za-z])))"
)
_HAN_LOCAL = re.compile(r"[\u4e00-\u9fff]{1,8}\Z")
_FILES = frozenset(
    (
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "js",
        "ts",
        "css",
        "htm",
        "html",
        "json",
        "py",
        "md",
        "txt",
        "xml",
        "yml",
        "yaml",
        "so",
        "whl",
    )
)
_DOT = r"(?: ?(?:\(dot\)|\[dot\]|\{dot\}|<dot>|点) ?| dot |\.)"
_SPELT_LOCAL = re.compile(rf"(?<![0-9A-Za-z._%+-])[0-9A-Za-z](?:[0-9A-Za-z_%+-]|{_DOT}){{0,40}} ?\Z", re.IGNORECASE)
_SPELT_DOMAIN = re.compile(
    rf" ?[0-9A-Za-z-]{{1,40}}(?:{_DOT}[0-9A-Za-z-]{{1,40}}){{0,3}}?(?P<dot>{_DOT})"
    r"(?:com|cn|net|org|edu|gov|io|co|uk|de|fr|hk|tw|info|me|jp|eu|us|ca|au|app|dev|xyz|top|vip)"
    rf"(?:{_DOT}(?:cn|uk|hk|tw|jp|au))?(?![0-9A-Za-z])",
    re.IGNORECASE,
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}\Z")
_URL_REST = re.compile(r"://[!#-;=?-Z\[\]_a-z|~\\^`]{3,2000}")
_USER_INFO = re.compile(r"://[^/?#@:]*:[^/?#@]+@|://[0-9A-Za-z_-]{16,}@")
_PARAMETERS = re.compile(
    r"[?&#;](?:amp;)?(?:[a-z0-9_.-]*(?:token|secret|passw(?:or)?d|passwd|pwd|apikey|api[_-]key|access[_-]?key|signature|"
    r"session|sessid|credential|auth|jwt|ticket|e?mail|phone|mobile|id_?card|idno|openid|unionid|user_?name|real_?name|"
    r"user_?id|ssn|card_?no|account|invite|otp|license|licence|address|birth(?:day|date)?)[a-z0-9_.-]*|key|sig|sign|code|sid|uid|"
    r"user|name|tel|pass|ak|sk|pw|dob|lat|lng|lon|passport|plate|wechat|qq|imei|phpsessid|hash|nonce|state|id_token)"
    r"=[^&#]{2,}",
    re.IGNORECASE,
)

_IPV4 = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])")
_NOBODY = re.compile(r"127\.|0\.0\.0\.0|255\.|2(?:2[4-9]|3[0-9])\.")  # loopback, masks, multicast
_ZONE = re.compile("%[0-9A-Za-z]{1,15}")


def find(page: Page) -> Iterator[Found]:
    yield from _emails(page)
    yield from _spelt_emails(page)
    yield from _urls(page)
    yield from _ipv4(page)
    yield from _machines(page)


def _emails(page: Page) -> Iterator[Found]:
    text, at = page.text, -1
    while (at := text.find("@", at + 1)) >= 0:
        left = at - (text[at - 1 : at + 2] == " @ ")  # zhang @ example.com
        if not left or text[left - 1] in "@ ":
            continue
        domain = _DOMAIN.match(text, at)
        han = _HAN_DOMAIN.match(text, at) if domain is None else None
        if domain is None and (han is None or han[1].isascii()):
            continue
        local = _LOCAL.search(text, max(0, left - 64), left)
        start = local.start() if local else left
        while start < left and not text[start].isalnum():
            start += 1
        if domain is not None and start < left:
            name = domain[1]
            if name.rpartition(".")[2].lower() in _FILES or text[start:left] == "git":
                continue
            end = domain.end() if "。" not in name else _before_sentence(domain)
            if end:
                yield Found(start, end, "EMAIL", 0.8 if text[at + 1] == " " else 0.95)
        elif han is not None and left == at:
            if start == left and (local := _HAN_LOCAL.search(text, max(0, left - 8), left)) is not None:
                start = local.start()
            if start < left:
                yield Found(start, han.end(), "EMAIL", 0.8)


def _before_sentence(domain: re.Match[str]) -> int:
    """An ideographic full stop is a dot of the address only before a well-known end (example。com); 0: no address."""
    if re.search(r"。(?:com|cn|net|org)(?:\.cn)?\Z", domain[1], re.IGNORECASE):
        return domain.end()
    cut = domain[1].index("。")
    return domain.start(1) + cut if "." in domain[1][:cut] else 0


def _spelt_emails(page: Page) -> Iterator[Found]:
    text = page.text
    for start, end, _ in page.words.get("at", ()):
        domain = _SPELT_DOMAIN.match(text, end)
        if domain is None or (text[start] == " " and domain["dot"] == "."):  # "meet me at example.com" is none
            continue
        if (local := _SPELT_LOCAL.search(text, max(0, start - 64), start)) is not None:
            yield Found(local.start(), domain.end(), "EMAIL", 0.8)


def _urls(page: Page) -> Iterator[Found]:
    text, after = page.text, 0
    while (at := text.find("://", after)) >= 0:
        after = at + 1
        if not at or not text[at - 1].isalnum():
            continue
        scheme = _SCHEME.search(text, max(0, at - 16), at)
        rest = _URL_REST.match(text, at)
        if scheme is None or rest is None:
            continue
        after = rest.end()  # an address within an address is part of it
        address = rest[0].rstrip(".,;:!?'\\`^|")
        while address.endswith((")", "]")) and address.count(address[-1]) > address.count(
            "(" if address[-1] == ")" else "["
        ):
            address = address[:-1]
        if _USER_INFO.match(address) or _PARAMETERS.search(address):
            yield Found(scheme.start(), at + len(address), "URL", 0.97)


def _ipv4(page: Page) -> Iterator[Found]:
    for start, end, _ in page.runs:
        for match in _IPV4.finditer(page.plain, start, end):
            octets = match[0].split(".")
            if any(int(octet) > 255 or (len(octet) > 1 and octet[0] == "0") for octet in octets) or _NOBODY.match(
                match[0]
            ):
                continue
            labels = page.labels.of(*match.span())
            score = 0.75
            if labels and labels[0] == AGAINST:
                score = 0.3
            elif page.text[match.start() - 1 : match.start()] in ("第", "§"):
                score = 0.2
            elif "IP" in labels:
                score = 0.95
            elif _is_versionlike([int(octet) for octet in octets]):
                score = 0.4
            yield Found(*match.span(), "IP", score)


def _is_versionlike(octets: list[int]) -> bool:
    """As likely a version or the number of a section: all are small, or the first is one digit and none has three."""
    most = 100 if octets[0] < 10 else 32
    return all(octet < most for octet in octets) and octets[0] != 10 and len(set(octets)) > 1


def _machines(page: Page) -> Iterator[Found]:
    for start, end, kind in machines(page.plain).tolist():
        if kind == 0:
            if _is_ipv6(page.text[start:end]):
                zone = _ZONE.match(page.text, end)
                yield Found(start, zone.end() if zone else end, "IP", 0.9)
        elif kind == 1 or "MAC" in page.labels.of(start, end):
            yield Found(start, end, "MAC", 0.9)


def _is_ipv6(address: str) -> bool:
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return any(map(str.isdigit, address)) and not (found.is_loopback or found.is_unspecified) and len(address) > 5
