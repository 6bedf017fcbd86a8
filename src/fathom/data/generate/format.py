"""Answers in the form that was asked for: lists with marks and rules, sentences with a length, one of two words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from .words import Example, article, capital, table

__all__ = ["FORMS", "Group", "groups", "number", "sample"]

NUMBERS = {
    "zh": ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十"),
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
}
FOREIGN = 0.2  # share of lists that are asked for in the other language
LETTERS = "ABCD"


class Group(NamedTuple):
    names: tuple[str, str, str]  # in Chinese, in English the plural and one of them
    measure: str
    kind: str
    words: tuple[tuple[str, str], ...]


FORMS: Mapping[str, Callable[[Sequence[str]], str]] = {
    "1.": lambda entries: "\n".join(f"{i}. {e}" for i, e in enumerate(entries, 1)),
    "1)": lambda entries: "\n".join(f"{i}) {e}" for i, e in enumerate(entries, 1)),
    "(1)": lambda entries: "\n".join(f"({i}) {e}" for i, e in enumerate(entries, 1)),
    "a.": lambda entries: "\n".join(f"{chr(96 + i)}. {e}" for i, e in enumerate(entries, 1)),
    **{mark: lambda entries, mark=mark: "\n".join(f"{mark} {e}" for e in entries) for mark in "-*•"},  # type: ignore[misc]
    "line": "\n".join,
    "json": lambda entries: json.dumps(entries, ensure_ascii=False, separators=(",", ":")),
    **{mark: mark.join for mark in ("、", "，", "；", ", ", "; ", " / ", " | ")},
}


@cache
def groups() -> tuple[Group, ...]:
    return tuple(
        Group(tuple(g["names"]), g["measure"], g["kind"], tuple(map(tuple, g["words"])))
        for g in table("groups")["groups"].values()
    )


def number(draw: random.Random, language: str, value: int) -> str:
    """In digits or, up to ten, in words."""
    return draw.choice((str(value), NUMBERS[language][value] if value <= 10 else str(value)))


def sample(draw: random.Random, language: str) -> Example | None:
    kind = draw.choices((_list, _sentences, _choice, _echo), (9, 5, 3, 3))[0]
    made = kind(draw, language)
    if made is None:
        return None
    prompt, reply = made
    return Example.of("format", language, prompt.strip(), reply, reply, draw)


def _list(draw: random.Random, language: str) -> tuple[str, str] | None:
    """Entries of a group, how many, how they are marked, and now and then a rule for them."""
    texts, forms = table("format"), table("format")["forms"]
    group = draw.choice(groups())
    foreign = draw.random() < FOREIGN
    english = (language == "en") != foreign
    pool = [word[english] for word in group.words]
    rule, pool = _rule(draw, language, english, pool)
    count = min(draw.randint(2, 7), len(pool))
    if count < 2:
        return None
    entries = draw.sample(pool, count)
    if rule and rule[0] == "sorted":
        entries.sort(key=str.lower)
    form = draw.choice([name for name in forms if forms[name][language]])
    parts = [draw.choice(forms[form][language])]
    if rule:
        parts.append(draw.choice(texts["rules"][rule[0]][language]).format(x=rule[1]))
    if foreign:
        parts.append(draw.choice(texts["other"][language]))
    draw.shuffle(parts)
    wordings = texts["list"][language]
    n = number(draw, language, count)
    ask = draw.choice(wordings["ask"]).format(n=n, m=group.measure, c=group.names[language == "en"])
    rules = ("，" if language == "zh" else ", ").join(parts)
    prompt = draw.choice(wordings["join"]).format(ask=ask, rules=rules, only=draw.choice(wordings["only"]))
    return (prompt if draw.random() < 0.3 else capital(prompt)), FORMS[form](entries)


def _rule(
    draw: random.Random, language: str, english: bool, pool: list[str]
) -> tuple[tuple[str, Any] | None, list[str]]:
    """A rule with what it is about, if any, and the words that follow it."""
    kinds = ["initial", "longest", "lacking", "except", "sorted", "capitals"] if english else ["except", "short"]
    kind = draw.choice([None, *kinds]) if draw.random() < 0.6 else None
    match kind:
        case "initial":
            x = draw.choice(pool)[0].upper()
            return (kind, x), [word for word in pool if word[0].upper() == x]
        case "longest":
            most = draw.randint(4, 8)
            return (kind, most), [word for word in pool if len(word) <= most]
        case "lacking":
            x = draw.choice("aeiost")
            return (kind, x), [word for word in pool if x not in word.lower()]
        case "except":
            x = draw.choice(pool)
            return (kind, x), [word for word in pool if x not in word]
        case "sorted":
            return (kind, ""), pool
        case "capitals":
            return (kind, ""), [word.upper() for word in pool]
        case "short" if language == "zh":
            most = draw.randint(1, 3)
            return (kind, most), [word for word in pool if len(word) <= most]
    return None, pool


def _sentences(draw: random.Random, language: str) -> tuple[str, str]:
    """Sentences about a thing, with the words and the length that were asked for."""
    texts = table("format")["about"][language]
    chinese = language == "zh"
    group = draw.choice([group for group in groups() if group.kind in table("format")["sentences"]])
    word = draw.choice(group.words)[not chinese]
    chosen = draw.sample(table("format")["sentences"][group.kind][language], draw.choice((1, 1, 1, 2, 2, 3)))
    sentences = [s.format(w=word) if chinese else article(s.format(w=word)) for s, _ in chosen]
    rules: dict[str, Any] = {}
    for kind in draw.sample(["holds", "most", "lines", "start", "exclaim", "case"], draw.choice((0, 1, 1, 2))):
        match kind:
            case _ if rules.keys() & {"capitals", "small"}:
                break  # what has to stand there has its own case
            case "holds":
                rules[kind] = draw.choice(chosen)[1]
            case "lines" if len(sentences) > 1:
                rules[kind] = ""
            case "start" if "lines" not in rules:
                rules[kind] = draw.choice(texts["starts"])
            case "exclaim":
                rules[kind], sentences = "", [s[:-1] + ("！" if chinese else "!") for s in sentences]
            case "case" if not chinese and not rules:
                rules[draw.choice(("capitals", "small"))] = ""
            case "most":
                rules[kind] = None
    space = "\n" if "lines" in rules else "" if chinese else " "
    reply = space.join(sentences)
    if "start" in rules:
        reply = rules["start"] + ("" if chinese else " ") + reply
    if "most" in rules:
        rules["most"] = _at_most(draw, language, reply)
    if "capitals" in rules or "small" in rules:
        reply = reply.upper() if "capitals" in rules else reply.lower()
    count = len(sentences)
    n = number(draw, language, count) if chinese else _counted(draw, count)
    ask = draw.choice(texts["ask"]).format(n=n, w=word)
    parts = [ask, *(draw.choice(texts[k]).format(x=v) for k, v in rules.items())]
    prompt = ("，" if chinese else ", ").join(parts) + draw.choice(("。", "。", "") if chinese else (".", ".", ""))
    return (prompt if draw.random() < 0.3 else capital(prompt)), reply


def _counted(draw: random.Random, count: int) -> str:
    if count == 1:
        return draw.choice(("one sentence", "a sentence", "1 sentence"))
    return f"{number(draw, 'en', count)} sentences"


def _at_most(draw: random.Random, language: str, text: str) -> int:
    """A limit that the text keeps: characters in Chinese, words in English, rounded up to a multiple of five."""
    length = len(text) if language == "zh" else len(text.split())
    return (length + draw.randint(0, 6) + 4) // 5 * 5


def _choice(draw: random.Random, language: str) -> tuple[str, str]:
    """A question with its allowed answers: yes or no, one of some words, a letter."""
    texts = table("format")["choice"][language]
    english = language == "en"
    right, *others = _apart(draw, 4)
    name = right.names[2 if english else 0]
    word = draw.choice(right.words)[english]
    kind = draw.choice(("yes_no", "pick", "letter"))
    if kind == "yes_no":
        no = draw.random() < 0.5
        shown = draw.choice(others[0].words)[english] if no else word
        return draw.choice(texts[kind]).format(w=shown, c=name), texts["answers"][no]
    options = [word, *(draw.choice(group.words)[english] for group in others[: draw.randint(1, 3)])]
    draw.shuffle(options)
    if kind == "pick":
        listed = ("、" if not english else ", ").join(options)
        return draw.choice(texts[kind]).format(options=listed, c=name), word
    style = draw.choice(("{}. {}", "{}) {}", "({}) {}", "{}、{}" if not english else "{}: {}"))
    listed = "\n".join(style.format(letter, option) for letter, option in zip(LETTERS, options, strict=False))
    return draw.choice(texts[kind]).format(options=listed, c=name), LETTERS[options.index(word)]


def _apart(draw: random.Random, count: int) -> list[Group]:
    """Groups of as many kinds: no word of one belongs to another."""
    kinds = draw.sample(list(dict.fromkeys(group.kind for group in groups() if group.kind)), count)
    return [draw.choice([group for group in groups() if group.kind == kind]) for kind in kinds]


def _echo(draw: random.Random, language: str) -> tuple[str, str]:
    """A word as it is, several times, in brackets, or taken apart."""
    texts, signs = table("format")["echo"][language], table("format")["signs"]
    english = language == "en"
    word = draw.choice(draw.choice(groups()).words)[english]
    separator = draw.choice([sign for sign in signs["separators"] if sign[1 + english]])
    bracket = draw.choice([sign for sign in signs["brackets"] if sign[2 + english]])
    times = draw.randint(2, 5)
    kind = draw.choice(("repeat", "only", "wrap", "spell"))
    if kind == "spell" and len(word) < 2:
        kind = "wrap"
    replies = {
        "repeat": separator[0].join([word] * times),
        "only": word,
        "wrap": f"{bracket[0]}{word}{bracket[1]}",
        "spell": separator[0].join(word.replace(" ", "")),
    }
    fields = {"w": word, "k": number(draw, language, times), "s": separator[1 + english], "b": bracket[2 + english]}
    return draw.choice(texts[kind]).format(**fields), replies[kind]
