"""Sentences with the places of their names, made for training."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bench.guard import corpus
from bench.guard import inventories as inv
from bench.guard.corpus import HAN

HERE = Path(__file__).parent
_TALK_ZH = (
    "zh_emollm/docs oasst_zh/sft written/dialog-zh written/everyday-zh written/prose-zh written/service "
    "kdconv_zh/dialogues tatoeba_en_zh/pairs"
)
_TALK_EN = (
    "tatoeba_en_zh/pairs gsm8k/train written/everyday-en sgd_dialogues/dialogues intents_en/CLINC150 written/writing"
)
_WORKPLACE = (
    r"(?:(?<=[在去到从给和跟与是向找由，。、\n])|^)(?:我们|他们|这家|一家|那家|你们)?"
    "(?:公司|学校|医院|银行|酒店|餐厅|超市|法院|派出所|单位|大学|机构|部门)(?![员长里内名地帐账卡])"
)
_SOMEBODY_ZH = re.compile(
    _WORKPLACE + "|(?<![其吉让令些某])(?:他|她|我|你|您|小明|妈妈|爸爸|朋友|老师|同事|老板|哥哥|经理|医生)"
    "(?![们的国家])|(?:他|她|我)(?=的)"
)
_SOMEBODY_EN = re.compile(
    r"\b(?:He|She|he|she|I|him|Tom|Mary|my (?:friend|wife|husband|boss|brother|sister|mother|father))\b(?!')"
)
_THINGS = (
    "机场 火车站 东站 路 公园 博物馆 县城 体育馆 开发区 人 菜 话 特产 天气 地铁站 大桥 新区 景区 方向 附近 市场 队 "
    "大学 山 湖 河"
)
_INITIALS = "ABCDEFGHJKLMNPRSTW"
_LIVED = re.compile(r"\(born |\([^)]{0,60}\d{4}\s*[–-]\s*[^)]{0,40}\d{4}\)")


class Made(NamedTuple):
    """A text and the (start, end) of the names in it."""

    text: str
    names: set[tuple[int, int]]


def _census(path: Path, most: int) -> tuple[list[str], list[float]]:
    """Names and the sums of their weights: rare names are drawn oftener than they are met."""
    table = [line.split() for line in path.read_text().splitlines()[:most]]
    return [row[0].title() for row in table], np.cumsum([float(row[1]) ** 0.6 for row in table]).tolist()


class Maker:
    """``data``: folder of the corpora; ``census``: folder of the frequencies; ``words``: ordinary Chinese words."""

    def __init__(self, data: Path, census: Path, words: set[str], seed: int = 16) -> None:
        self.rng, self.data = random.Random(seed), data
        self.words = sorted(word for word in words if len(word) == 2)
        self.surname_words = [word for word in self.words if word[0] in inv.SURNAMES]
        self.first = [_census(census / f"dist.{name}.first", 10_000) for name in ("male", "female")]
        self.last = _census(census / "dist.all.last", 12_000)
        self.places = corpus.all_places()
        self.around = {zh: corpus.ordinary(data, zh) for zh in (True, False)}
        self.given: list[str] = []  # given names of modern persons of the encyclopaedia
        self.people: list[tuple[str, list[str]]] = []  # persons and organisations of it, with their sentences
        surname = re.compile(f"(?:{'|'.join(inv.COMPOUND)}|[{inv.SURNAMES}])([{HAN}]{{1,2}})")
        for part in ("zhwiki/articles-01", "zhwiki/articles-02"):
            for row in corpus.rows(data, part):
                name, text = row["title"], row["text"]
                found = surname.fullmatch(name)
                firm = _is_firm(name) and 4 <= len(name) <= 24 and re.fullmatch(f"[{HAN}A-Za-z0-9()]+", name)
                about = rf"{re.escape(name)}[（(，][^。]{{0,80}}?(?:\d{{3,4}}年|人[，。]|出生)"
                if not firm and not (found and re.match(about, text)):
                    continue
                if not firm and found and re.search(r"(19|20)\d\d年", text[:200]):
                    self.given.append(found[1])
                sentences = [s for s in re.findall(r"[^\n。！？]+[。！？]?", text) if name in s]
                self.people.append((name, sentences[:12]))

    def chinese(self) -> str:
        return inv.chinese_name(self.rng, self.given)

    def firm(self) -> str:
        return inv.organisation(self.rng, self.places)

    def firm_english(self) -> str:
        return inv.organisation_en(self.rng, [self.family() for _ in range(3)])

    def given_english(self) -> str:
        kind = self.rng.random()
        if kind < 0.16:
            return self.rng.choice(inv.WORD_NAMES if kind < 0.08 else inv.FOREIGN_FIRST)
        names, weights = self.rng.choice(self.first)
        return self.rng.choices(names, cum_weights=weights)[0]

    def family(self) -> str:
        if self.rng.random() < 0.15:
            return self.rng.choice(inv.FOREIGN_FAMILY)
        return self.rng.choices(self.last[0], cum_weights=self.last[1])[0]

    def english(self) -> str:
        rng, first, last, middle = self.rng, self.given_english(), self.family(), self.rng.random()
        if middle < 0.08:
            name = f"{first} {rng.choice(_INITIALS)}. {last}"
        elif middle < 0.12:
            name = f"{first} {self.given_english()} {last}"
        elif middle < 0.14:
            name = f"{first} {rng.choice(['van', 'de', 'von', 'van der', 'da'])} {last}"
        elif middle < 0.18:
            name = f"{first} {last}-{self.family()}"
        elif middle < 0.20:
            name = f"{rng.choice(_INITIALS)}. {last}"
        else:
            name = f"{first} {last}"
        return name.upper() if rng.random() < 0.04 else name

    def anyone(self, zh: bool) -> str:
        kind = self.rng.random()
        if zh and kind < 0.03:
            return self.english() if kind < 0.015 else self.given_english()
        if zh:
            return self.rng.choice("小小老") + self.rng.choice(inv.PLAIN) if kind < 0.07 else self.chinese()
        return self.given_english() if kind < 0.35 else inv.pinyin_name(self.rng) if kind < 0.42 else self.english()

    def name(self, slot: str, zh: bool) -> str | None:
        """What fills a slot of a template that is a name; None for other slots."""
        match slot:
            case "P":
                return self.english() if not zh or self.rng.random() < 0.03 else self.chinese()
            case "S":
                return _surname(self.chinese())
            case "N":
                return self.rng.choice("小小老老阿") + self.rng.choice(inv.SURNAMES[:120])
            case "G":
                return self.given_english()
            case "L":
                return self.family()
            case "Z":
                return inv.pinyin_name(self.rng)
            case "O" if zh:
                return self.firm()
        return None

    def other(self, slot: str, zh: bool) -> str:
        """What fills the other slots."""
        rng = self.rng
        year, month, day = rng.randrange(1950, 2026), rng.randrange(1, 13), rng.randrange(1, 29)
        match slot:
            case "T":
                number = f"1{rng.choice('3456789')}{rng.randrange(10**9):09d}"
                return number if zh or rng.random() < 0.3 else f"({number[1:4]}) {number[4:7]}-{number[7:11]}"
            case "I":
                return f"{rng.randrange(110000, 659999)}{year}{month:02d}{day:02d}{rng.randrange(10000):04d}"
            case "D":
                forms = [f"{year}年{month}月{day}日", f"{month}月{day}日"] if zh else [f"{month}/{day}/{year}"]
                return rng.choice([*forms, f"{year}-{month:02d}-{day:02d}"])
            case "M":
                user = rng.choice(["zhang.wei", "lily88", "info", "wangxm", "jsmith", "mary_k"])
                return f"{user}@{rng.choice(['qq.com', '163.com', 'example.com', 'gmail.com'])}"
            case "C":
                return rng.choice(self.places if zh else inv.PLACES_EN)
            case "O":
                return self.firm_english()
            case "A":
                return inv.address_zh(rng, self.places) if zh else inv.address_en(rng, self.family())
        return str(rng.randrange(10 ** rng.randint(1, 9)))

    def templates(self, zh: bool, each: int) -> Iterator[Made]:
        """Every template so many times, a third of them within other text."""
        rng, around = self.rng, self.around[zh]
        files = ("zh", "org") if zh else ("en",)
        for template in [line for file in files for line in corpus.lines(HERE / f"templates_{file}.txt")] * each:
            text, names = "", set()
            if rng.random() < 0.35:
                text = rng.choice(around) + rng.choice("，。 ；\n" if zh else [" ", ". ", "\n", ", ", "\n\n"])
            for piece in re.split(r"(\{[A-Z]\})", template.replace("\\n", "\n").replace("\\t", "\t")):
                value = piece
                if re.fullmatch(r"\{[A-Z]\}", piece):
                    name = self.name(piece[1], zh)
                    value = self.other(piece[1], zh) if name is None else name
                    if name is not None:
                        names.add((len(text), len(text) + len(name)))
                text += value
            if rng.random() < 0.35:
                text += rng.choice(["，", "。", " ", "；", "", "\n"] if zh else [" ", ". ", "\n", ", "])
                text += rng.choice(around)
            yield Made(text, names)

    def roles(self, zh: bool, count: int) -> Iterator[Made]:
        """Names between a role or another word and what may follow, within ordinary text."""
        rng, around = self.rng, self.around[zh]
        for _ in range(count):
            head, name = "", self.anyone(zh)
            if rng.random() < 0.6:
                head = rng.choice(around) + rng.choice("，。 ；\n：、" if zh else [". ", "\n", ", ", "; ", " "])
            if not zh:
                role = rng.choice(("", "", "the ", "The ", "our ", "my ")) + rng.choice(inv.EN_ROLES)
                role += rng.choice((" ", " ", ", ", ": ", " - "))
                head += role if rng.random() < 0.5 else rng.choice(inv.EN_LEADS) + " "
                tail = rng.choice(inv.EN_TAILS)
            elif rng.random() < 0.35:
                head += rng.choice(inv.FIRM_LEADS) + rng.choice(("", "", "", "：", "是", " "))
                tail = rng.choice(inv.FIRM_TAILS if rng.random() < 0.6 else "，。；、\n （(：:/,|”")
                name = self.firm()
            else:
                role = rng.choice(inv.ROLES) + rng.choice(("", "", "", "：", " ", "是", "，", "-", "“"))
                head += role if rng.random() < 0.5 else rng.choice(inv.LEADS)
                tail = rng.choice(inv.TAILS if rng.random() < 0.7 else "，。；、\n （(：:/,|“”")
                if len(tail) == 1 and rng.random() < 0.4:
                    tail += self.other(rng.choice("TBIDA"), True)
            end = (" " if not zh and tail[-1:].isalpha() else "") + rng.choice(around) if rng.random() < 0.7 else ""
            yield Made(head + name + tail + end, {(len(head), len(head) + len(name))})

    def decoys(self, zh: bool, count: int) -> Iterator[Made]:
        """Places, streets and firms, words after words, and words that are also names, where no person is meant."""
        rng, around = self.rng, self.around[zh]
        for _ in range(count):
            head, end, kind = rng.choice(around), rng.choice(around), rng.random()
            if zh and kind < 0.6:  # 王国安全: two words, the first with a surname
                middle = rng.choice(("，", "。", "的", "", "\n", "在", "、")) + rng.choice(self.surname_words)
                middle += rng.choice(self.words) + rng.choice(("，", "", "的", "。", "\n"))
            elif zh:
                middle = rng.choice("，。 在去到从") + rng.choice(self.places)
                middle += rng.choice(_THINGS.split()) if rng.random() < 0.7 else ""
                middle += rng.choice(("，", "", "的"))
            elif kind < 0.35:
                word = rng.choice(inv.WORD_NAMES + inv.PLACES_EN) if rng.random() < 0.85 else self.given_english()
                middle = f". {rng.choice(('The', 'the', 'a', 'A', 'this', 'these'))} {word} "
            elif kind < 0.6:
                middle = f". {rng.choice(inv.WORD_NAMES + inv.PLACES_EN)} "
            elif kind < 0.7:
                middle = f" in {rng.choice(inv.PLACES_EN)}, "
            elif kind < 0.85:
                middle = f" {self.firm_english()} "
            else:
                middle = f" {self.other('A', False)}, "
            yield Made(head + middle + end, set())

    def pronouns(self, zh: bool, count: int) -> Iterator[Made]:
        """Everyday sentences in which pronouns and roles give way to names."""
        files = (_TALK_ZH if zh else _TALK_EN).split()
        sentence = re.compile(r"[^\n。！？]{4,80}[。！？]?" if zh else r"[^\n.!?]{8,160}[.!?]?")
        for file in files:
            made = 0
            for text in corpus.texts(self.data, file, 6_000_000):
                for found in sentence.findall(text):
                    result = self._renamed(found, zh) if self.rng.random() < 0.7 else None
                    if result is not None and result.names:
                        made += 1
                        yield result
                if made > count // len(files):
                    break

    def _renamed(self, sentence: str, zh: bool) -> Made:
        rng, out, names, at = self.rng, "", set(), 0
        for found in (_SOMEBODY_ZH if zh else _SOMEBODY_EN).finditer(sentence):
            if rng.random() < 0.4:
                continue
            value, tail = self.anyone(zh), ""
            if zh and len(found[0]) > 1 and found[0][-1] in "司校院行店厅市所位学构门":
                value = self.firm()
            elif zh and rng.random() < 0.25:  # with a title, after a surname alone or a whole name
                value = self.chinese()
                value = value if rng.random() < 0.4 else _surname(value)
                tail = found[0] if found[0] in inv.TITLES else rng.choice(inv.TITLES[:30])
            out += sentence[at : found.start()]
            names.add((len(out), len(out) + len(value)))
            out, at = out + value + tail, found.end()
        return Made(out + sentence[at:], names)

    def articles(self) -> Iterator[Made]:
        """Sentences about the persons and organisations of the encyclopaedia, 70 % of them under other names."""
        for name, sentences in self.people:
            for sentence in sentences:
                new = name if self.rng.random() < 0.3 else self.firm() if _is_firm(name) else self.chinese()
                yield _replaced(sentence, re.compile(re.escape(name)), {name: new})

    def articles_english(self) -> Iterator[Made]:
        for row in corpus.rows(self.data, "enwiki/leads"):
            name, text = row["title"], row["text"][:1500]
            family = name.split()[-1]
            person = _LIVED.search(text[:250]) and re.fullmatch(r"[A-Z][\w'.-]+(?: [\w'.-]+){1,2}", name)
            if not person or not family[0].isupper() or re.fullmatch("[IVX]+", family):
                continue
            new = self.english() if self.rng.random() < 0.7 else name
            pattern = re.compile(rf"\b(?:{re.escape(name)}|{re.escape(family)})\b")
            yield _replaced(text, pattern, {name: new, family: new.split()[-1]})


def _is_firm(name: str) -> bool:
    return name.endswith(tuple(inv.ORGANISATION_ENDS))


def _surname(name: str) -> str:
    return name[:2] if name[:2] in inv.COMPOUND else name[0]


def _replaced(text: str, pattern: re.Pattern[str], new: dict[str, str]) -> Made:
    out, names, at = "", set(), 0
    for found in pattern.finditer(text):
        value = new[found[0]]
        out += text[at : found.start()]
        names.add((len(out), len(out) + len(value)))
        out, at = out + value, found.end()
    return Made(out + text[at:], names)
