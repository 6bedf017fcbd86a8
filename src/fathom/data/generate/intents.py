"""What a customer wants, or how one feels: a choice between labels that the request lists."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from .values import value
from .words import Example, table

__all__ = ["sample"]

NONE = 0.12  # share of choices whose right answer is that none of the others fits
_SLOT = re.compile(r"{([a-z ]+)}")


def sample(draw: random.Random, language: str) -> Example:
    asked, text, labels, label = (_intent if draw.random() < 0.6 else _feeling)(draw, language)
    separator = draw.choice(("、", "、", "/", "，") if language == "zh" else (", ", " / ", " | ", ", "))
    options = separator.join(labels)
    prompt = draw.choice(table("intents")["texts"][language][asked]).format(options=options, text=text)
    return Example.of("intents", language, prompt, label, label, draw)


def _intent(draw: random.Random, language: str) -> tuple[str, str, list[str], str]:
    """The kind of question, a message, the labels in their order and the right one."""
    texts, side = table("intents")["texts"][language], int(language == "en")
    domain = draw.choice(list(table("intents")["domains"].values()))
    right, *others = draw.sample(domain["intents"], draw.randint(3, len(domain["intents"])))
    written = 0 if draw.random() < 0.15 else 1 + side  # the ids, or names in the language of the message
    text = _filled(draw, language, draw.choice(right[3 + side]))
    if before := draw.choice(texts["before"]):
        text = before + (text if re.match(r"I\b", text) else text[0].lower() + text[1:])
    after = draw.choice(texts["after"])
    if after and text[-1] not in "。？！.?!":
        text += "，" if language == "zh" else "."
    labels, label = [row[written] for row in (right, *others)], right[written]
    kind = draw.random()
    if kind < 2 * NONE:  # half of the time it is the right one
        none = draw.choice(texts["none"])
        labels, label = ([*labels[1:], none], none) if kind < NONE else ([*labels, none], label)
    return "intent", text + after, draw.sample(labels, len(labels)), label


def _feeling(draw: random.Random, language: str) -> tuple[str, str, list[str], str]:
    """One or two things that are said with the same feeling."""
    feelings, side = table("intents")["feelings"], int(language == "en")
    mood = draw.choice(("positive", "negative", "neutral"))
    said = []
    for subject in draw.sample(feelings["about"], draw.choice((1, 1, 2))):
        spoken = subject[side] + ("" if side == 0 else " ") + draw.choice(feelings[f"{mood}_{language}"])
        said.append(_filled(draw, language, spoken))
    text = _joined(draw, language, said)
    moods = list(feelings["names"]) if mood == "neutral" or draw.random() < 0.7 else ["positive", "negative"]
    set_of_names = draw.randrange(len(feelings["names"]["positive"]))
    names = {name: feelings["names"][name][set_of_names][side] for name in moods}
    return "feeling", text, draw.sample(list(names.values()), len(names)), names[mood]


def _filled(draw: random.Random, language: str, text: str) -> str:
    return _SLOT.sub(lambda slot: value(draw, language, slot[1]), text)


def _joined(draw: random.Random, language: str, said: Sequence[str]) -> str:
    if language == "zh":
        return draw.choice(("，", "。", "；")).join(said) + draw.choice(("。", "！", ""))
    sentences = [part[0].upper() + part[1:] for part in said]
    return draw.choice((". ", "! ")).join(sentences) + draw.choice((".", "!", ""))
