"""Names of organisations: companies, banks, hospitals, schools, offices, firms.

Chinese names end with a word like 有限公司 or 医院; the model of names (names.py) finds where they begin. English names
are found here: runs of capitalised words that end with a form (Ltd, Inc., University) or go on after one (Bank of,
University of). Brands alone (华为, Microsoft) are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

TYPES = frozenset({"ORGANISATION"})

_FORMS = (
    "Ltd Limited Inc Incorporated LLC LLP GmbH AG plc PLC Corp Corporation Co Company Group Holdings Partners "
    "Associates Bank University College Institute Hospital Clinic School Academy Foundation Association Society "
    "Agency Authority Council Ministry Department Trust Union Center Centre Laboratories Labs Technologies "
    "Solutions Systems Industries Enterprises Logistics Insurance Pharmaceuticals Consulting Services Hotel Church"
)
_KNOWN = (
    "Red Cross|Barclays|Wells Fargo|HSBC|Citibank|Citigroup|JPMorgan Chase|Goldman Sachs|Morgan Stanley|Lloyds|NatWest"
    "|Santander|Deutsche Bank|BNP Paribas|Credit Suisse|UBS|Standard Chartered|American Express|Capital One"
    "|Deloitte|KPMG|PwC|Ernst & Young|Accenture|McKinsey|Aetna|Allianz|AXA|Prudential|MetLife|Vodafone|Verizon"
    "|Comcast|T-Mobile|Walmart|Tesco|Siemens|Bosch|Pfizer|Novartis|AstraZeneca|Kaiser Permanente|Mayo Clinic"
    "|Cleveland Clinic"
)
_SURE = "Ltd Limited Inc Incorporated LLC LLP GmbH plc PLC Corp Corporation Co"
_SURE_FORMS = frozenset(_SURE.split())
WORDS = {
    "organisation_form": [f" {form}" for form in _FORMS.split()],
    "organisation_of": ["Bank of ", "University of ", "Ministry of ", "Department of ", "Institute of ", "Church of "],
    "organisation_known": _KNOWN.split("|"),
}
_NAME = r"[A-Z][A-Za-z0-9'’.-]{0,24}"
_LAST = re.compile(rf"(?<![A-Za-z0-9]){_NAME},?\Z")
_MORE = re.compile(rf"(?:,? (?:{'|'.join(_FORMS.split())}|KG)(?![A-Za-z]))+| (?:of|for) {_NAME}(?: {_NAME}){{0,2}}")
_DOT = re.compile(r"\.(?=,| [a-z(])")  # of an abbreviation in the middle of a sentence
_CENTER = re.compile(
    "(?:Medical|Health|Care|Community|Cancer|Arts|Learning|Legal|Law|Dental|Wellness|Family|Surgery|Rehabilitation)\\Z"
)
_OF = re.compile(rf"(?:the )?{_NAME}(?:,? (?:and |& )?{_NAME}){{0,3}}")
_NOT_FIRST = re.compile(
    r"(?:The|A|An|At|In|On|Of|For|From|To|With|By|And|Or|But|If|Our|My|Your|His|Her|Their|This|That|These|Those|We|I|He|She|"
    r"It|They|Please|Dear|Hi|Hello|When|What|Where|Which|Who|How|Is|Are|Was|Does|Do|Can|Contact|Visit|Call|Join|About|"
    r"Employer|Company|Mr|Mrs|Ms|Dr|Client|Vendor|Supplier|Customer|Bank|Account)[,.]? "
)


def find(page: Page) -> Iterator[Found]:
    text = page.text
    done = 0
    for form in page.words.get("organisation_form", ()):
        if form.start < done:
            continue
        proper = text[form.start + 1].isupper() or text[form.start + 1 : form.end] == "plc"
        letter = text[max(0, form.start - 2) : form.start - 1].isspace()  # a name of one letter is none
        if letter or not proper or text[form.end : form.end + 1].isalnum():
            continue
        if text[form.start + 1 : form.end] in ("Center", "Centre") and _CENTER.search(text, done, form.start) is None:
            continue
        start = _first(text, form.start, done)
        if text.startswith("National Insurance", start) and form.end == start + 18:
            continue
        if start < form.start:
            sure = text[form.start + 1 : form.end] in _SURE_FORMS
            done = _end(text, form.end, sure)
            yield Found(start, done, "ORGANISATION", 0.95 if sure else 0.91)
    for known in page.words.get("organisation_known", ()):
        around = text[max(0, known.start - 1) : known.start] + text[known.end : known.end + 1]
        if text[known.start].isupper() and not (around.isascii() and any(c.isalnum() for c in around)):
            yield Found(known.start, known.end, "ORGANISATION", 0.91)
    done = 0
    for of in page.words.get("organisation_of", ()):
        if of.start < done or not text[of.start].isupper() or text[max(0, of.start - 1) : of.start].isalpha():
            continue
        if (match := _OF.match(text, of.end)) is not None:
            done = match.end()
            yield Found(of.start, match.end() - (text[match.end() - 1] == "."), "ORGANISATION", 0.92)


def _first(text: str, at: int, least: int) -> int:
    """Where the run of at most six capitalised words begins that ends here; ``at`` if there is none."""
    start, end, joined = at, at, False
    for _ in range(8):
        cut = max(least, end - 28)
        word_start = text.rfind(" ", cut, end) + 1 or cut
        word = _LAST.search(text, word_start, end)
        if word is not None:
            if text[end - 1] == "," and end != at and not joined:  # Account Executive, Delmar Freight Inc.
                break
            start = word.start()
            if start != word_start:  # an opening bracket or the like
                break
        elif text[word_start:end] not in ("&", "and") or end == at:
            break
        else:
            joined = True
        end = word_start - 1
        if end <= least:
            break
    while (skipped := _NOT_FIRST.match(text, start, at)) is not None:
        start = skipped.end()
    alone = at - start < 12 and _NOT_FIRST.fullmatch(text[start:at].rstrip(",") + " ")  # none of these words is longer
    return at if alone else start


def _end(text: str, end: int, sure: bool) -> int:
    """Where the name ends whose form ends here: after further forms, and the full stop of an abbreviation."""
    if more := _MORE.match(text, end):
        end = more.end()
    dotted = text.endswith((" Inc", " Corp"), 0, end) and text[end : end + 1] == "."
    return end + (dotted or (sure and _DOT.match(text, end) is not None))
