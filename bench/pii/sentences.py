"""Sentences with gold spans, made from the templates and inventories of one split; the same seed gives the same text.

A file ``data/SPLIT.LANGUAGE.toml`` holds ``[inventory]`` (lists of words), ``[templates]`` (registers: one sentence a
line) and ``[negatives]`` (the same, without any entity). In a line ``{PERSON}`` is an entity of the closed list,
``{BANK_ACCOUNT}`` and the like draw from values.py, ``{order}`` and other small letters are fillers that are no entity,
``⏎`` is a line break. ``{URL|SECRET}`` is gold as the first type; the others are accepted too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import disguise
from words import FILLERS, Inventory, entity

HERE = Path(__file__).parent
SPLITS, LANGUAGES = ("dev", "test"), ("zh", "en")
SEEDS = {("dev", "zh"): 16_01, ("dev", "en"): 16_02, ("test", "zh"): 16_03, ("test", "en"): 16_04}
SIZES = {"zh": (2400, 700), "en": (2400, 700)}  # positive and negative sentences
SHARES = {"zh": {"glued": 0.235, "full-width": 0.10, "zero-width": 0.10, "spaced": 0.13, "numerals": 0.03}}
SHARES["en"] = {"full-width": 0.10, "zero-width": 0.10, "spaced": 0.17}
FOLDED = frozenset({"EMAIL", "BIRTH_DATE"})  # no numbers, but typed full-width and with invisible characters too
SLOT = re.compile(r"\{([A-Za-z_.|0-9]+)\}")


@dataclass(frozen=True, slots=True)
class Gold:
    start: int  # code points
    end: int
    type: str
    also: tuple[str, ...] = ()  # further types that are right
    disguise: str = "plain"


@dataclass(frozen=True, slots=True)
class Sentence:
    id: str
    language: str
    register: str
    text: str
    spans: tuple[Gold, ...] = ()


@dataclass(slots=True)
class _Part:
    text: str
    types: tuple[str, ...] = ()
    disguise: str = field(default="plain")


@cache
def source(split: str, language: str) -> dict[str, dict[str, list[str]]]:
    """Registers to their lines, for ``templates`` and ``negatives``, and the words of the inventory."""
    raw = tomllib.loads((HERE / "data" / f"{split}.{language}.toml").read_text("utf-8"))
    parted: dict[str, dict[str, list[str]]] = {
        kind: {name: [line for line in text.splitlines() if line] for name, text in raw[kind].items()}
        for kind in ("templates", "negatives")
    }
    parted["inventory"] = {
        name: text.splitlines() if "\n" in text.strip() else text.split() for name, text in raw["inventory"].items()
    }
    for name, words in parted["inventory"].items():
        parted["inventory"][name] = [word.strip() for word in words if word.strip()]
    return parted


def parts_of(line: str, rng: Random, words: Inventory) -> list[_Part]:
    """Literals and drawn values in turn: literal, value, literal, ..., literal."""
    parts = []
    for i, piece in enumerate(SLOT.split(line.replace("⏎", "\n"))):
        if i % 2 == 0:
            parts.append(_Part(piece))
        elif piece in FILLERS:
            parts.append(_Part(FILLERS[piece](rng, words)))
        else:
            types = piece.split("|")
            parts.append(_Part(entity(types[0], rng, words), (types[0].split(".")[0], *types[1:])))
    return parts


def disguised(parts: list[_Part], rng: Random, language: str) -> None:
    """Distorts the numbers in place, each with the shares of its language."""
    shares = SHARES[language]
    for i, part in enumerate(parts):
        type = part.types[0] if part.types else ""
        if type not in disguise.NUMBERS | FOLDED:
            continue
        kind = rng.choices(("plain", *shares), (1 - sum(shares.values()), *shares.values()))[0]
        before, after = parts[i - 1], parts[i + 1]
        left = (parts[i - 2].text if i > 1 else "") + before.text  # a value may stand right before this one
        gap = None
        if kind == "glued":
            gap = disguise.glued_gap(left, after.text, rng)
        elif kind == "full-width":
            part.text = disguise.full_width(part.text)
        elif kind == "zero-width":
            part.text = disguise.invisible(rng, part.text)
        elif kind == "spaced":
            text = disguise.spaced(rng, type, part.text, language) if type in disguise.NUMBERS else None
            kind, part.text = ("spaced", text) if text and text != part.text else ("plain", part.text)
        elif kind == "numerals":
            possible = type == "PHONE" and part.text.isdigit()
            kind, part.text = ("numerals", disguise.numerals(part.text)) if possible else ("plain", part.text)
        if gap is None and language == "zh":
            kind = "plain" if kind == "glued" else kind
            gap = disguise.plain_gap(left, after.text, rng)
        if gap:
            before.text, after.text = gap[0][len(left) - len(before.text) :], gap[1]
        part.disguise = kind


def sentence(name: str, register: str, line: str, rng: Random, words: Inventory) -> Sentence:
    parts = parts_of(line, rng, words)
    disguised(parts, rng, words.language)
    text, spans = "", []
    for part in parts:
        if part.types:
            type, *also = part.types
            spans.append(Gold(len(text), len(text) + len(part.text), type, tuple(also), part.disguise))
        text += part.text
    return Sentence(name, words.language, register, text, tuple(spans))


def lines_in_turn(registers: dict[str, list[str]], rng: Random) -> Iterator[tuple[str, str]]:
    """Every line once, shuffled, then again: all templates occur equally often."""
    lines = [(register, line) for register, texts in registers.items() for line in texts]
    while True:
        rng.shuffle(lines)
        yield from lines


@cache
def sentences(split: str, language: str) -> tuple[Sentence, ...]:
    """The split's sentences of one language; negatives have no spans and a register that begins with ``no ``."""
    rng = Random(SEEDS[split, language])
    parsed = source(split, language)
    words = Inventory(language, parsed["inventory"])
    made: list[Sentence] = []
    for kind, prefix, count in zip(("templates", "negatives"), ("", "no "), SIZES[language], strict=True):
        turn = lines_in_turn(parsed[kind], rng)
        seen: set[str] = set()
        while len(seen) < count:
            register, line = next(turn)
            one = sentence(f"{split}-{language}-{kind[0]}{len(seen):04d}", prefix + register, line, rng, words)
            if one.text not in seen:  # a negative without fillers comes once
                seen.add(one.text)
                made.append(one)
    return tuple(made)
