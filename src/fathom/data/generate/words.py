"""What the families share: examples, and names and things drawn from ``words.toml``."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Example", "Item", "article", "capital", "items", "person", "system", "table"]

SYSTEMS = {
    "zh": (
        "你是一个有用的助手。",
        "你是一名认真细致的助理。",
        "请准确、简洁地完成用户的任务。",
        "你是一个中英双语助手。",
        "按用户要求完成任务，不要添加多余内容。",
    ),
    "en": (
        "You are a helpful assistant.",
        "You are a careful assistant.",
        "Complete the task accurately and briefly.",
        "You are a bilingual assistant. Reply in the language of the user.",
        "Do what the user asks and add nothing else.",
    ),
}
NICKNAMES = ("小明", "小红", "小华", "小刚", "小丽", "小军", "小芳", "小亮", "小雨", "小杰", "乐乐", "欢欢", "天天")
TITLES = ("老师", "阿姨", "叔叔", "师傅", "先生", "女士", "同学")


@dataclass(frozen=True)
class Example:
    """A conversation of (role, text) and what its last answer has to be right about."""

    family: str
    language: str
    turns: tuple[tuple[str, str], ...]
    answer: str

    def to_json(self) -> dict[str, Any]:
        messages = [{"role": role, "content": text} for role, text in self.turns]
        return {"task": self.family, "lang": self.language, "messages": messages, "answer": self.answer}

    @classmethod
    def of(cls, family: str, language: str, question: str, reply: str, answer: str, draw: random.Random) -> Example:
        """One question and its reply, three times in ten below a system message."""
        head = (("system", system(draw, language)),) if draw.random() < 0.3 else ()
        return cls(family, language, (*head, ("user", question), ("assistant", reply)), answer)


class Item(NamedTuple):
    """A thing one buys; prices in whole units of money."""

    zh: str
    measure: str
    en: str
    plural: str
    cheapest: int
    dearest: int


@cache
def table(name: str) -> dict[str, Any]:
    """A table of this package, ``NAME.toml``."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


@cache
def items() -> tuple[Item, ...]:
    return tuple(Item(*row) for row in table("words")["items"])


def person(draw: random.Random, language: str) -> str:
    """A given name, or in Chinese as people are called in a story."""
    words = table("words")
    if language == "en":
        return str(draw.choice(words["given_en"]))
    surname = str(draw.choice(words["surnames_zh"]))
    full = surname + "".join(draw.sample(words["given_zh"], draw.choice((1, 2, 2))))
    return draw.choice((draw.choice(NICKNAMES), surname + draw.choice(TITLES), full))


def system(draw: random.Random, language: str) -> str:
    return draw.choice(SYSTEMS[language])


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def article(text: str) -> str:
    """ "a apple" -> "an apple"."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
