"""Changes to a text as told: words, dates and amounts, length, tone, spelling, spaces, marks, the order of lines."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .values import value
from .words import Example, article, capital, items, table

__all__ = ["EDITS", "Edit", "sample"]

ENGLISH = ("expand", "capitals", "small")  # edits that Chinese has no use for
HALF = str.maketrans("，。！？：；（）", ",.!?:;()")
CHANGED = ("date", "time", "when", "place", "price", "fee", "phone", "name", "city", "room", "order")
_SLOT = re.compile(r"{(\w+)}")


class Edit(NamedTuple):
    """A text before and after; ``fields`` are what the request names: v what was there, u what is wanted, k a field."""

    before: str
    after: str
    fields: Mapping[str, str] = {}


def sample(draw: random.Random, language: str) -> Example | None:
    kind = draw.choice([kind for kind in EDITS if language == "en" or kind not in ENGLISH])
    edit = EDITS[kind](draw, language)
    if edit is None or edit.before == edit.after:
        return None
    ask = draw.choice(table("edits")["ask"][kind][language]).format(**edit.fields)
    pattern = draw.choice(table("edits")["join"][language])
    if pattern.startswith("{ask}") and draw.random() < 0.5:
        ask = capital(ask)
    return Example.of("edits", language, pattern.format(ask=ask, text=edit.before), edit.after, edit.after, draw)


def _sentences(draw: random.Random, language: str, least: int, most: int) -> list[str]:
    chosen = draw.sample(table("edits")["sentences"][language], draw.randint(least, most))
    return [_filled(draw, language, sentence) for sentence in chosen]


def _filled(draw: random.Random, language: str, sentence: str) -> str:
    text = _SLOT.sub(lambda slot: value(draw, language, slot[1]), sentence)
    return article(text) if language == "en" else text


def _space(language: str) -> str:
    return "" if language == "zh" else " "


def _replace(draw: random.Random, language: str) -> Edit | None:
    """A value that stands in the text, for another of its kind."""
    sentences = draw.sample(table("edits")["sentences"][language], draw.randint(1, 3))
    slots = [slot for sentence in sentences for slot in _SLOT.findall(sentence)]
    if not slots:
        return None
    kind = draw.choice(slots)
    old, new = value(draw, language, kind), value(draw, language, kind)
    before = _space(language).join(
        _filled(draw, language, sentence.replace(f"{{{kind}}}", old) if draw.random() < 0.8 else sentence)
        for sentence in sentences
    )
    if old not in before or old in new or new in old or before.count(old) != len(re.findall(_whole(old), before)):
        return None
    return Edit(before, before.replace(old, new), {"v": old, "u": new})


def _whole(word: str) -> str:
    return rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])"


def _change(draw: random.Random, language: str) -> Edit | None:
    """A date, time, amount, place or name of a note, called by its field."""
    fields = table("extract")["fields"]
    note = draw.choice(table("extract")["notes"])
    pattern = draw.choice(note[language])
    named = [field for field in _SLOT.findall(pattern) if field in CHANGED]
    if not named:
        return None
    field = draw.choice(named)
    found = {slot: value(draw, language, fields[slot]["kind"]) for slot in _SLOT.findall(pattern)}
    new = value(draw, language, fields[field]["kind"])
    if new == found[field]:
        return None
    before, after = pattern.format(**found), pattern.format(**{**found, field: new})
    if language == "en":
        before, after = article(before), article(after)
    return Edit(before, after, {"u": new, "k": fields[field][language]["keys"][0]})


def _first(draw: random.Random, language: str) -> Edit:
    sentences = _sentences(draw, language, 2, 4)
    return Edit(_space(language).join(sentences), sentences[0])


def _last(draw: random.Random, language: str) -> Edit:
    sentences = _sentences(draw, language, 2, 4)
    return Edit(_space(language).join(sentences), _space(language).join(sentences[:-1]))


def _brackets(draw: random.Random, language: str) -> Edit:
    sentences = _sentences(draw, language, 1, 3)
    extras = draw.sample(table("edits")["sentences"][f"extra_{language}"], len(sentences))
    longer = [s[:-1] + e + s[-1] if draw.random() < 0.7 else s for s, e in zip(sentences, extras, strict=True)]
    return Edit(_space(language).join(longer), _space(language).join(sentences))


def _tones(draw: random.Random, language: str) -> tuple[str, str]:
    """The same to a friend and to a stranger."""
    pairs = draw.sample(table("edits")["register"][language], draw.choice((1, 1, 2)))
    slots = {slot: value(draw, language, slot) for slot in ("name", "hour", "product", "event")}
    friend, stranger = (_space(language).join(pair[side].format(**slots) for pair in pairs) for side in (0, 1))
    return friend, stranger


def _formal(draw: random.Random, language: str) -> Edit:
    return Edit(*_tones(draw, language))


def _casual(draw: random.Random, language: str) -> Edit:
    friend, stranger = _tones(draw, language)
    return Edit(stranger, friend)


def _expand(draw: random.Random, language: str) -> Edit:
    texts = table("edits")["contractions"]
    before = " ".join(_filled(draw, language, s) for s in draw.sample(texts["sentences"], draw.choice((1, 1, 2))))
    after = before
    for short, full in texts["pairs"]:
        after = re.sub(_whole(short), full, after)
    return Edit(before, after)


def _typos(draw: random.Random, language: str) -> Edit:
    texts = table("edits")["typos"]
    chosen = draw.sample(texts[f"{language}_sentences"], draw.choice((1, 1, 2)))
    if draw.random() < 0.4:
        chosen.insert(draw.randint(0, len(chosen)), draw.choice(table("edits")["sentences"][language]))
    before = after = _space(language).join(_filled(draw, language, sentence) for sentence in chosen)
    for wrong, right in texts[language]:
        after = after.replace(wrong, right)
    return Edit(before, after)


def _spaces(draw: random.Random, language: str) -> Edit:
    """Too many of them: between Chinese characters, or doubled and before marks."""
    after = _space(language).join(_sentences(draw, language, 1, 2))
    if language == "zh":
        after = after.replace(" ", "")
        places = sorted(draw.sample(range(1, len(after)), min(draw.randint(1, 5), len(after) - 1)), reverse=True)
        before = after
        for place in places:
            if not re.fullmatch(r"[\x21-\x7e]{2}", after[place - 1 : place + 1]):
                before = f"{before[:place]} {before[place:]}"
        return Edit(before, after)
    words = after.split(" ")
    before = words[0] + "".join(draw.choice((" ", "  ", "  ", "   ")) + word for word in words[1:])
    return Edit(re.sub(r"([.,])(?=\s|$)", draw.choice((r"\1", r" \1")), before), after)


def _punctuation(draw: random.Random, language: str) -> Edit:
    """Western marks in Chinese text; sentences without capitals and full stops in English."""
    sentences = _sentences(draw, language, 1, 3)
    after = _space(language).join(sentences)
    if language == "zh":
        return Edit(after.translate(HALF), after)
    return Edit("\n".join(s[0].lower() + s[1:].rstrip(".") for s in sentences), "\n".join(map(capital, sentences)))


def _sort(draw: random.Random, language: str) -> Edit:
    """Lines by the number that they begin with, in English by the alphabet."""
    things = draw.sample(items(), draw.randint(3, 6))
    if language == "en":
        lines = [thing.plural for thing in things]
        return Edit("\n".join(lines), "\n".join(sorted(lines, key=str.lower)))
    numbers = draw.sample(range(1, draw.choice((10, 30, 100))), len(things))
    pairs = [(number, f"{number}{thing.measure}{thing.zh}") for number, thing in zip(numbers, things, strict=True)]
    return Edit("\n".join(line for _, line in pairs), "\n".join(line for _, line in sorted(pairs)))


def _lines(draw: random.Random, language: str) -> Edit:
    sentences = _sentences(draw, language, 2, 4)
    return Edit(_space(language).join(sentences), "\n".join(sentences))


def _merge(draw: random.Random, language: str) -> Edit:
    broken = _lines(draw, language)
    return Edit(broken.after, broken.before)


def _capitals(draw: random.Random, language: str) -> Edit:
    text = " ".join(_sentences(draw, language, 1, 2))
    return Edit(text, text.upper())


def _small(draw: random.Random, language: str) -> Edit:
    text = " ".join(_sentences(draw, language, 1, 2))
    return Edit(draw.choice((text, text.upper())), text.lower())


def _append(draw: random.Random, language: str) -> Edit:
    text, new = _space(language).join(_sentences(draw, language, 1, 3)), draw.choice(table("edits")["added"][language])
    return Edit(text, text + _space(language) + new, {"u": new})


def _prepend(draw: random.Random, language: str) -> Edit:
    text, new = _space(language).join(_sentences(draw, language, 1, 3)), draw.choice(table("edits")["added"][language])
    return Edit(text, new + _space(language) + text, {"u": new})


EDITS: Mapping[str, Callable[[random.Random, str], Edit | None]] = {
    made.__name__[1:]: made
    for made in (
        *(_replace, _change, _first, _last, _brackets, _formal, _casual, _expand, _typos, _spaces, _punctuation),
        *(_sort, _lines, _merge, _capitals, _small, _append, _prepend),
    )
}
