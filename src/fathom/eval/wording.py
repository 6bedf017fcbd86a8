"""How answers are read: normal form, numbers and amounts, parts that stand whole, and words for what isn't told."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Any

__all__ = ["ENDS", "absent", "holds", "normal", "numbers", "same", "share_of_language", "where"]

ENDS = " \t\n.,;:!?。、…'\"*_()[]"  # what may surround a value

_STRAIGHT = str.maketrans({**dict.fromkeys("“”„‟«»『』「」", '"'), **dict.fromkeys("‘’‚‛`", "'"), "−": "-", "–": "-"})
_NUMBER = re.compile(r"(?<![a-z0-9_])-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_UNITS = {
    **dict.fromkeys(("¥", "元", "块", "块钱", "人民币", "rmb", "cny", "yuan"), "¥"),
    **dict.fromkeys(("$", "美元", "dollar", "dollars", "usd"), "$"),
    **dict.fromkeys(("£", "英镑", "pound", "pounds", "gbp"), "£"),
    **dict.fromkeys(("€", "欧元", "euro", "euros", "eur"), "€"),
    **{measure: measure for measure in ("", *"个件份人位张本台盒箱瓶杯双套斤名片次天寸袋只盏条")},
}
_AMOUNT = re.compile(r"([$¥£€]?)(-?(?:[1-9]\d{0,2}(?:,\d{3})+|0|[1-9]\d*)(?:\.\d+)?)(\D{0,7})")
_ARTICLE = re.compile(r"^(?:a|an|the) ")
_SCRIPTS = {"zh": "CJK", "en": "LATIN"}

_NOT, _REST = r"(?:没有?|未|不曾)", r"[^。.!?,;]"
_TELLS = (
    r"(?:提到|提及|提过|提起|提(?![前供醒出交取高升倡示])|说明(?!书)|说到|说(?![话明谎完])|写(?![字信])|讲到|讲(?![解究课话台座])|注明|标明|标注|标出|载明|列明|"
    r"涉及|交代|指明|指出|谈到|谈及|透露|找到|告诉|告知)"
)
_FACTS = r"(?:信息|内容|资料|答案|线索|记载|描述|细节|说明|规定)(?![费室袋册书])"
_PAPER = r"(?:文|材料|资料|通知|公告|文件|说明|启事|告示|须知|短信|邮件)"
_DOCUMENT = (
    r"(?:text|notice|document|passage|letter|sheet|page|message|memo|leaflet|flyer|email|article|poster|announcement|"
    r"information|note|guide|rules|description|advert|ad)"
)
_ABSENT = re.compile(
    "|".join(
        (
            # 没有提到, 通知里没写, 未作说明: verbs of a text
            rf"{_NOT}(?:在{_REST}{{1,12}})?(?:明确|具体|直接|专门|详细)?{_TELLS}",
            rf"{_NOT}[就对]{_REST}{{1,20}}(?:说明|解释|规定|介绍)",
            rf"{_NOT}[作做]{_REST}{{0,4}}(?:说明|规定)",
            # 没有相关信息, 不包含这方面的内容, 文中没有规定
            rf"(?:{_NOT}|不(?:包含|包括|含)|(?<!都)无){_REST}{{0,20}}{_FACTS}",
            rf"{_PAPER}[里中上]?{_REST}{{0,8}}{_NOT}(?:给出|列出|公布|介绍|规定|出现|包含|包括|相关|有关|关于)",
            # 找不到, 无法得知, 不在通知中
            r"[找查看]不[到出]|不得而知|无从(?:得知|知道|回答|判断)",
            rf"无法(?:从{_REST}{{1,12}})?(?:回答|得知|确定|判断|知道|获知|找到|看出|推断|确认)",
            rf"不在{_REST}{{0,4}}{_PAPER}",
            # doesn't say, is not mentioned
            r"(?:\bnot|n't) (?:\w+ )?(?:mention|state|specif(?:y|ied)|say|said|tell(?! me)|indicate)(?:s|d|ed)?\b",
            rf"(?:\bnot|n't) (?:\w+ )?(?:given|included|listed|provided|covered|found|described|present)"
            rf" (?:anywhere|(?:in|by|on) (?:the|this|that) {_DOCUMENT})\b",
            rf"\b{_DOCUMENT} (?:\w+ )?(?:does not|doesn't|do not|don't|did not|didn't) (?:\w+ )?"
            rf"(?:give|include|list|provide|contain|cover|describe|address|explain|reveal|answer)\b",
            rf"(?:\bnot|n't) (?:in|part of) (?:the|this|that) {_DOCUMENT}\b",
            # no price is mentioned, the text gives no price, not stated; "no tea is provided" is an answer
            r"\bno (?:\w+ ){1,4}(?:is|are|was|were) (?:mentioned|stated|specified|indicated)\b",
            rf"\b(?:the|this|that) {_DOCUMENT} (?:gives|mentions|states|names|contains|has) no\b",
            r"^(?:(?:it|that|this)(?: is|'s) )?not (?:given|there)\W*$",
            # no information on, says nothing about
            r"\bno (?:\w+ )?(?:mention|information(?! desk)|info|indication|details?|answer)\b",
            r"\b(?:says?|states?|contains?|gives?|mentions?) nothing\b|\bnothing (?:\w+ ){0,3}(?:about|on)\b",
            # cannot find, can't be determined
            r"\b(?:can(?:not|'t| not)|could(?: not|n't)|unable to|not able to|not possible to|impossible to) (?:\w+ )?"
            r"(?:find|tell|determine|answer|know|say|be (?:found|determined|answered|known))\b",
            rf"\b(?:silent on|(?:not clear|unclear|unknown) from the {_DOCUMENT})\b",
        )
    )
)


def normal(text: str) -> str:
    """NFKC, straight quotes, no case, single spaces: "“Ａ”  is\\n１" becomes '"a" is 1'."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_STRAIGHT).casefold().split())


def numbers(text: str) -> list[Decimal]:
    """All numbers in digits: "1,200 of １５" -> [1200, 15]; not those that end a word, such as m2."""
    return [Decimal(found.replace(",", "")) for found in _NUMBER.findall(normal(text))]


def where(text: str, part: str) -> list[tuple[int, int]]:
    """Where ``part`` stands in a text in normal form (start, end), not within a longer word or number."""
    part = _THOUSANDS.sub("", normal(part))
    before = r"(?<![a-z0-9])(?<!\d\.)" if re.match(r"[a-z0-9]", part) else ""
    after = r"(?![a-z0-9])(?!\.\d)" if re.search(r"[a-z0-9]$", part) else ""
    pattern = before + re.escape(part) + after
    return [match.span() for match in re.finditer(pattern, _THOUSANDS.sub("", normal(text)))]


def holds(text: str, part: str) -> bool:
    return bool(where(text, part))


def same(expected: Any, found: Any) -> bool:
    """Equal in normal form without spaces and stops at the ends, or amounts of equal value and unit.

    None is also what is written as "null" or as an empty text; an article more than expected does not count.
    """
    if expected is None:
        return found is None or (isinstance(found, str) and normal(found) in ("", "null"))
    if not isinstance(expected, str | int | float) or not isinstance(found, str | int | float):
        return False
    one, other = (normal(str(value)).strip(ENDS) for value in (expected, found))
    spellings = [text.replace(" ", "") for text in (other, _ARTICLE.sub("", other))]
    one, other = one.replace(" ", ""), spellings[0]
    if one in spellings:
        return True
    amount, amount2 = _amount(one), _amount(other)
    if amount is None or amount2 is None:
        return False
    return amount[0] == amount2[0] and (amount[1] == amount2[1] or "" in (amount[1], amount2[1]))


def _amount(text: str) -> tuple[Decimal, str] | None:
    """ "¥1,200" and "1200元" -> (1200, "¥"); "3件" -> (3, "件"); None for what is no amount, such as 007."""
    match = _AMOUNT.fullmatch(text)
    if match is None or match[3] not in _UNITS:
        return None
    return Decimal(match[2].replace(",", "")), match[1] or _UNITS[match[3]]


def share_of_language(text: str, language: str) -> float:
    """The share of letters in the script of ``zh`` (Han) or ``en`` (Latin); 0 for a text without letters."""
    scripts = [unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()]
    return scripts.count(_SCRIPTS[language]) / len(scripts) if scripts else 0.0


def absent(answer: str) -> bool:
    """Whether an answer says that the text doesn't tell; not whether it merely says no."""
    return bool(_ABSENT.search(normal(answer)))
