"""Train the model of person names: `python -m bench.guard.train_names --data DIR --jieba dict.txt --census DIR --out names.npz`.

--data is a folder with the training corpora of `mini` (NOTICE lists them), --jieba the dictionary of jieba 0.42.1 (MIT),
--census the folder of the package `names` 0.3.0 (MIT; name frequencies of the United States census of 1990, public
domain). Needs zstandard and torch. About ten minutes on one core.

Positives: templates filled with names, and sentences of encyclopaedia articles about persons, in which most names are
replaced by others so that the model learns the surroundings and not the persons. Negatives: every other candidate. A
first model then strikes those negatives of unlabelled text out that look like persons, and a second one is trained.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zstandard
from bench.guard import inventories as inv

from fathom import _guard
from fathom.assets import ASSETS

HERE = Path(__file__).parent
TALK_ZH = (
    "zh_emollm/docs",
    "oasst_zh/sft",
    "written/dialog-zh",
    "written/everyday-zh",
    "written/prose-zh",
    "written/service",
    "kdconv_zh/dialogues",
    "tatoeba_en_zh/pairs",
)
TALK_EN = (
    "tatoeba_en_zh/pairs",
    "gsm8k/train",
    "written/everyday-en",
    "sgd_dialogues/dialogues",
    "intents_en/CLINC150",
    "written/writing",
)
N_FEATURES, BUCKETS, WORD_BITS = 24, 1 << 18, 1 << 22
CHINESE, ENGLISH, GIVEN, FAMILY, SURNAME, TITLE, ENDING, PLACE = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
)  # WordClass of csrc/guard/names.h
SCALE = 0.04  # logit of one step of an int8 weight
NEVER = "的了是我你您他她它们在有和与不就也都很这那个问让吗呢吧"
PRODUCTS = set(
    [
        "Jenkins",
        "Maven",
        "Ruby",
        "Julia",
        "Alexa",
        "Siri",
        "Cortana",
        "Scala",
        "Ada",
        "Eclipse",
        "Oracle",
        "Jupyter",
        "Azure",
        "Kafka",
        "Gradle",
        "Docker",
        "Travis",
        "Jenkins",
    ]
)
HAN = "\u4e00-\u9fff"


def rows(path: Path) -> Iterator[Any]:
    with open(path, "rb") as raw:
        yield from map(json.loads, io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8"))


def words_of(row: Any) -> str:
    """All the text of a record, whatever its shape."""
    if isinstance(row, str):
        return row
    if isinstance(row, list):
        return "\n".join(map(words_of, row))
    if isinstance(row, dict):
        return "\n".join(words_of(value) for key, value in row.items() if key in TEXT_KEYS)
    return ""


TEXT_KEYS = {"text", "instruction", "output", "messages", "content", "turns", "title", "body", "zh", "en", "question"}


class Corpus:
    """Texts of one file, cut to a share of the records."""

    def __init__(self, folder: Path, name: str, limit: int) -> None:
        self.folder, self.name, self.limit = folder, name, limit

    def __iter__(self) -> Iterator[str]:
        size = 0
        for row in rows(self.folder / f"{self.name}.jsonl.zst"):
            text = words_of(row)[:20_000]
            size += len(text)
            yield text
            if size > self.limit:
                return


def all_places() -> list[str]:
    """Full and short names of the provinces, prefectures and counties of China."""
    full = [line.split() for line in (ASSETS / "guard" / "places.txt").read_text().splitlines()]
    short = [
        re.sub("(?:省|市|自治区|特别行政区|地区|盟|.{1,4}族自治州|壮族自治区|回族自治区|维吾尔自治区)$", "", p)
        for p in full[0] + full[1]
    ]
    short += [p[:-1] for p in full[2] if p[-1] in "市县区" and len(p) > 2]
    return sorted({place for place in sum(full, []) + short if len(place) > 1})


def build_words(args: argparse.Namespace) -> tuple[np.ndarray, set[str]]:
    """The word filter: ordinary words, inventories of names, titles."""
    entries: list[tuple[int, str]] = []
    for line in open(args.jieba, encoding="utf-8"):
        word, count, tag = line.split(" ")
        if 2 <= len(word) <= 3 and not tag.startswith("nr") and int(count) >= 3 and re.fullmatch(f"[{HAN}]+", word):
            entries.append((CHINESE, word))
    entries += [(SURNAME, c) for c in set(inv.SURNAMES)]
    compound = inv.COMPOUND + [name for name in inv.JAPANESE if len(name) == 2]
    entries += [(SURNAME, c) for c in compound] + [(SURNAME, c[0] + "*") for c in compound]
    entries += [(TITLE, title) for title in inv.TITLES]
    places = all_places()
    entries += [(ENDING, end) for end in inv.ORGANISATION_ENDS] + [
        (ENDING, end[-1] + "*") for end in inv.ORGANISATION_ENDS
    ]
    entries += [(PLACE, place) for place in places] + [(PLACE, place[0] + "*") for place in places]
    lower: Counter[str] = Counter()
    for name in ("enwiki/leads", "sgd_dialogues/dialogues", "python_docs_en_zh/pairs"):
        if (args.data / f"{name}.jsonl.zst").exists():
            for text in Corpus(args.data, name, 30_000_000):
                lower.update(re.findall(r"(?<![A-Za-z])[a-z]{2,}(?![A-Za-z])", text))
    entries += [(ENGLISH, word) for word, count in lower.items() if count >= 25]
    for name, share in (("male", 0.004), ("female", 0.003)):
        for line in open(args.census / f"dist.{name}.first"):
            word, percent = line.split()[:2]
            if float(percent) >= share:
                entries.append((GIVEN, word.lower()))
    for line in open(args.census / "dist.all.last"):
        word, percent, _, rank = line.split()
        if int(rank) <= 12_000:
            entries.append((FAMILY, word.lower()))
    entries += [(GIVEN, name.lower()) for name in inv.FOREIGN_FIRST]
    entries += [(FAMILY, name.lower()) for name in inv.FOREIGN_FAMILY + inv.PINYIN_SURNAMES]
    bits = np.zeros(WORD_BITS // 8, np.uint8)
    for word_class, word in entries:
        for bit in _guard.name_word_bits(word_class, word):
            bits[bit >> 3] |= 1 << (bit & 7)
    print(f"{len(entries):,} words, {np.unpackbits(bits).mean():.3f} of the bits")
    return bits, {word for word_class, word in entries if word_class == CHINESE}


def sentences_with(name: str, text: str) -> list[str]:
    return [s for s in re.findall(r"[^\n。！？]+[。！？]?", text) if name in s][:12]


class Maker:
    """Sentences with the places of their names: `[(text, {(start, end), ...})]`."""

    def __init__(self, args: argparse.Namespace, words: set[str], seed: int = 16) -> None:
        two = sorted(word for word in words if len(word) == 2)
        self.words, self.surname_words = two, [word for word in two if word[0] in inv.SURNAMES]
        self.rng, self.data = random.Random(seed), args.data
        first = [
            (l.split()[0].title(), float(l.split()[1]))
            for n in ("male", "female")
            for l in open(args.census / f"dist.{n}.first")
        ]
        last = [(l.split()[0].title(), float(l.split()[1])) for l in open(args.census / "dist.all.last")][:12_000]
        self.first, self.first_weights = [n for n, _ in first], np.cumsum([w**0.6 for _, w in first]).tolist()
        self.last, self.last_weights = [n for n, _ in last], np.cumsum([w**0.6 for _, w in last]).tolist()
        self.places = all_places()
        self.firms: list[tuple[str, list[str]]] = []  # organisations of the encyclopaedia and their sentences
        ends = tuple(inv.ORGANISATION_ENDS)
        self.given: list[str] = []  # given names of modern persons of the encyclopaedia
        self.people: list[tuple[str, list[str]]] = []  # name, sentences
        surname = re.compile(f"(?:{'|'.join(inv.COMPOUND)}|[{inv.SURNAMES}])([{HAN}]{{1,2}})")
        for part in ("zhwiki/articles-01", "zhwiki/articles-02"):
            for row in rows(self.data / f"{part}.jsonl.zst"):
                name, text = row["title"], row["text"]
                if name.endswith(ends) and 4 <= len(name) <= 24 and re.fullmatch(f"[{HAN}A-Za-z0-9()]+", name):
                    self.firms.append((name, sentences_with(name, text)))
                    continue
                found = surname.fullmatch(name)
                if not found or not re.match(re.escape(name) + r"[（(，][^。]{0,80}?(\d{3,4}年|人[，。]|出生)", text):
                    continue
                if re.search(r"(19|20)\d\d年", text[:200]):
                    self.given.append(found[1])
                self.people.append((name, sentences_with(name, text)))
        self.zh = [
            l
            for f in ("zh", "org")
            for l in (HERE / f"templates_{f}.txt").read_text().splitlines()
            if l and not l.startswith("# ")
        ]
        self.en = [l for l in (HERE / "templates_en.txt").read_text().splitlines() if l and not l.startswith("# ")]

    def english(self) -> str:
        rng = self.rng
        first = (
            rng.choices(self.first, cum_weights=self.first_weights)[0]
            if rng.random() < 0.85
            else rng.choice(inv.FOREIGN_FIRST)
        )
        last = self.family()
        middle = rng.random()
        if middle < 0.08:
            name = f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        elif middle < 0.12:
            name = f"{first} {rng.choices(self.first, cum_weights=self.first_weights)[0]} {last}"
        elif middle < 0.14:
            name = f"{first} {rng.choice(['van', 'de', 'von', 'van der', 'da'])} {last}"
        elif middle < 0.17:
            name = f"{first} {last}-{self.family()}"
        elif middle < 0.19:
            name = f"{rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
        else:
            name = f"{first} {last}"
        return name.upper() if rng.random() < 0.04 else name

    def given_english(self) -> str:
        kind = self.rng.random()
        if kind < 0.08:
            return self.rng.choice(inv.WORD_NAMES)
        if kind < 0.92:
            return self.rng.choices(self.first, cum_weights=self.first_weights)[0]
        return self.rng.choice(inv.FOREIGN_FIRST)

    def family(self) -> str:
        if self.rng.random() < 0.85:
            return self.rng.choices(self.last, cum_weights=self.last_weights)[0]
        return self.rng.choice(inv.FOREIGN_FAMILY)

    def fill(self, template: str, zh: bool) -> tuple[str, set[tuple[int, int]]]:
        rng, out, spans = self.rng, "", set()
        for piece in re.split(r"(\{[A-Z]\})", template.replace("\\n", "\n").replace("\\t", "\t")):
            value, name = piece, False
            if piece == "{P}":
                foreign = not zh or rng.random() < 0.03
                value, name = self.english() if foreign else inv.chinese_name(rng, self.given), True
            elif piece == "{S}":
                value, name = inv.chinese_name(rng, self.given), True
                value = value[:2] if value[:2] in inv.COMPOUND else value[0]
            elif piece == "{N}":
                value, name = rng.choice("小小老老阿") + rng.choice(inv.SURNAMES[:120]), True
            elif piece == "{G}":
                value, name = self.given_english(), True
            elif piece == "{L}":
                value, name = self.family(), True
            elif piece == "{Z}":
                value, name = inv.pinyin_name(rng), True
            elif piece == "{O}" and zh:
                value, name = inv.organisation(rng, self.places), True
            elif re.fullmatch(r"\{[A-Z]\}", piece):
                value = self.other(piece[1], zh)
            if name:
                spans.add((len(out), len(out) + len(value)))
            out += value
        return out, spans

    def other(self, kind: str, zh: bool) -> str:
        rng = self.rng
        if kind == "T":
            number = "1" + rng.choice("3456789") + f"{rng.randrange(10**9):09d}"
            return number if zh or rng.random() < 0.3 else f"({number[1:4]}) {number[4:7]}-{number[7:11]}"
        if kind == "B":
            return str(rng.randrange(10 ** rng.randint(1, 9)))
        if kind == "I":
            return f"{rng.randrange(110000, 659999)}{rng.randrange(1950, 2010)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}{rng.randrange(10000):04d}"
        if kind == "D":
            y, m, d = rng.randrange(1950, 2026), rng.randrange(1, 13), rng.randrange(1, 29)
            return rng.choice(
                [f"{y}年{m}月{d}日", f"{y}-{m:02d}-{d:02d}", f"{m}月{d}日"]
                if zh
                else [f"{y}-{m:02d}-{d:02d}", f"{m}/{d}/{y}", f"March {d}, {y}"]
            )
        if kind == "M":
            return (
                rng.choice(["zhang.wei", "lily88", "info", "wangxm", "jsmith", "mary_k"])
                + "@"
                + rng.choice(["qq.com", "163.com", "example.com", "gmail.com"])
            )
        if kind == "C":
            return rng.choice(
                [
                    "北京",
                    "上海",
                    "广州",
                    "深圳",
                    "成都",
                    "杭州",
                    "武汉",
                    "西安",
                    "南京",
                    "重庆",
                    "天津",
                    "苏州",
                    "长沙",
                    "高雄",
                    "黄山",
                    "安庆",
                    "温州",
                    "常州",
                    "金华",
                ]
                if zh
                else [
                    "London",
                    "Paris",
                    "Boston",
                    "Chicago",
                    "Seattle",
                    "Berlin",
                    "Austin",
                    "Houston",
                    "Toronto",
                    "Sydney",
                    "Jackson",
                    "Lincoln",
                    "Madison",
                ]
            )
        if kind == "O":
            return (
                inv.organisation(rng, self.places)
                if zh
                else inv.organisation_en(rng, [self.family(), self.family(), self.family()])
            )
        return inv.address_zh(rng, self.places) if zh else inv.address_en(rng, self.family())

    def roles(self, zh: bool, count: int) -> Iterator[tuple[str, set[tuple[int, int]]]]:
        """Names between a role or another word and what may follow, within ordinary text."""
        rng, around = self.rng, self.ordinary(zh)
        for _ in range(count):
            head = (
                rng.choice(around) + rng.choice("，。 ；\n：、" if zh else [". ", "\n", ", ", "; ", " "])
                if rng.random() < 0.6
                else ""
            )
            name = self.anyone(zh)
            if zh and rng.random() < 0.35:
                head += rng.choice(inv.FIRM_LEADS) + rng.choice(("", "", "", "：", "是", " "))
                tail, name = (
                    rng.choice(inv.FIRM_TAILS) if rng.random() < 0.6 else rng.choice("，。；、\n （(：:/,|”"),
                    inv.organisation(rng, self.places),
                )
            elif zh:
                head += (
                    rng.choice(inv.ROLES) + rng.choice(("", "", "", "：", " ", "是", "，", "-", "“"))
                    if rng.random() < 0.5
                    else rng.choice(inv.LEADS)
                )
                tail = (
                    rng.choice(inv.TAILS)
                    if rng.random() < 0.7
                    else rng.choice("，。；、\n （(：:/,|“”")
                    + (self.other(rng.choice("TBIDA"), True) if rng.random() < 0.4 else "")
                )
            else:
                head += (
                    (
                        rng.choice(("", "", "the ", "The ", "our ", "my "))
                        + rng.choice(inv.EN_ROLES)
                        + rng.choice((" ", " ", ", ", ": ", " - "))
                    )
                    if rng.random() < 0.5
                    else rng.choice(inv.EN_LEADS) + " "
                )
                tail = rng.choice(inv.EN_TAILS)
            end = (" " if not zh and tail[-1:].isalpha() else "") + rng.choice(around) if rng.random() < 0.7 else ""
            yield head + name + tail + end, {(len(head), len(head) + len(name))}

    def decoys(self, zh: bool, count: int) -> Iterator[tuple[str, set[tuple[int, int]]]]:
        """Names of places, streets and firms, and words that are also names, where no person is meant."""
        rng, around = self.rng, self.ordinary(zh)
        for _ in range(count):
            head, end = rng.choice(around), rng.choice(around)
            if zh:
                if rng.random() < 0.6:  # 王国安全: two words, the first with a surname
                    pair = rng.choice(self.surname_words) + rng.choice(self.words)
                    yield (
                        head
                        + rng.choice(("，", "。", "的", "", "\n", "在", "、"))
                        + pair
                        + rng.choice(("，", "", "的", "。", "\n"))
                        + end,
                        set(),
                    )
                    continue
                place = rng.choice(self.places)
                thing = rng.choice(
                    [
                        "机场",
                        "火车站",
                        "东站",
                        "路",
                        "公园",
                        "博物馆",
                        "县城",
                        "体育馆",
                        "开发区",
                        "人",
                        "菜",
                        "话",
                        "特产",
                        "天气",
                        "地铁站",
                        "大桥",
                        "新区",
                        "景区",
                        "方向",
                        "附近",
                        "市场",
                        "队",
                        "大学",
                        "山",
                        "湖",
                        "河",
                    ]
                )
                yield (
                    head
                    + rng.choice("，。 在去到从")
                    + place
                    + (thing if rng.random() < 0.7 else "")
                    + rng.choice(("，", "", "的"))
                    + end,
                    set(),
                )
                continue
            word = (
                rng.choice(inv.WORD_NAMES)
                if rng.random() < 0.5
                else rng.choice(inv.PLACES_EN)
                if rng.random() < 0.7
                else self.given_english()
            )
            kind = rng.random()
            if kind < 0.35:
                yield f"{head}. {rng.choice(('The', 'the', 'a', 'A', 'this', 'these'))} {word} {end}", set()
            elif kind < 0.6:
                yield f"{head}. {word if word in inv.WORD_NAMES + inv.PLACES_EN else 'May'} {end}", set()
            elif kind < 0.7:
                yield f"{head} in {rng.choice(inv.PLACES_EN)}, {end}", set()
            elif kind < 0.85:
                yield f"{head} {inv.organisation_en(rng, [self.family(), self.family(), self.family()])} {end}", set()
            else:
                yield f"{head} {inv.address_en(rng, self.family())}, {end}", set()

    def templates(self, zh: bool, each: int) -> Iterator[tuple[str, set[tuple[int, int]]]]:
        around = self.ordinary(zh)
        for template in (self.zh if zh else self.en) * each:
            text, spans = self.fill(template, zh)
            if self.rng.random() < 0.35:
                head = self.rng.choice(around) + self.rng.choice("，。 ；\n" if zh else [" ", ". ", "\n", ", ", "\n\n"])
                text, spans = head + text, {(a + len(head), b + len(head)) for a, b in spans}
            if self.rng.random() < 0.35:
                text += self.rng.choice(
                    ["，", "。", " ", "；", "", "\n"] if zh else [" ", ". ", "\n", ", "]
                ) + self.rng.choice(around)
            yield text, spans

    def ordinary(self, zh: bool) -> list[str]:
        if zh:
            texts = [
                t
                for name in ("zh_ms_docs/docs-02", "zh_recipes/docs", "crosswoz/dialogues", "ms_support_zh/articles")
                for t in Corpus(self.data, name, 600_000)
            ]
            pieces = [
                s
                for t in texts
                for s in re.split(r"[，。；！？\n]", t)
                if 4 <= len(s) <= 20 and re.search(f"[{HAN}]{{4}}", s)
            ]
        else:
            texts = [
                t
                for name in ("intents_en/CLINC150", "intents_en/BANKING77", "python_docs_en_zh/pairs")
                for t in Corpus(self.data, name, 600_000)
            ]
            pieces = [s.strip() for t in texts for s in re.split(r"[,.;!?\n]", t) if 10 <= len(s) <= 60 and s.isascii()]
        return pieces

    def pronouns(self, zh: bool, limit: int) -> Iterator[tuple[str, set[tuple[int, int]]]]:
        """Everyday sentences in which a pronoun or a role gives way to a name."""
        rng, made = self.rng, 0
        names = TALK_ZH if zh else TALK_EN
        workplace = r"(?:(?<=[在去到从给和跟与是向找由，。、\n])|^)(?:我们|他们|这家|一家|那家|你们)?(?:公司|学校|医院|银行|酒店|餐厅|超市|法院|派出所|单位|大学|机构|部门)(?![员长里内名地帐账卡])|"
        place = re.compile(workplace + r"(?<![其吉让令些某])(?:他|她|我|你|您|小明|妈妈|爸爸|朋友|老师|同事|老板|哥哥|经理|医生)(?![们的国家])|(?:他|她|我)(?=的)" if zh
                           else r"\b(?:He|She|he|she|I|him|Tom|Mary|my (?:friend|wife|husband|boss|brother|sister|mother|father))\b(?!')")  # fmt: skip
        for name in names:
            for text in Corpus(self.data, name, 6_000_000):
                for sentence in re.findall(r"[^\n。！？]{4,80}[。！？]?" if zh else r"[^\n.!?]{8,160}[.!?]?", text):
                    if rng.random() < 0.3 or not place.search(sentence):
                        continue
                    out, spans, at = "", set(), 0
                    for found in place.finditer(sentence):
                        if rng.random() < 0.4:
                            continue
                        value, tail = self.anyone(zh), ""
                        if len(found[0]) > 1 and found[0][-1] in "司校院行店厅市所位学构门":
                            value = inv.organisation(rng, self.places)
                            out += sentence[at : found.start()]
                            spans.add((len(out), len(out) + len(value)))
                            out, at = out + value, found.end()
                            continue
                        if zh and rng.random() < 0.25:  # with a title, after a surname alone or a whole name
                            value = inv.chinese_name(rng, self.given)
                            value = value if rng.random() < 0.4 else value[: 2 if value[:2] in inv.COMPOUND else 1]
                            tail = found[0] if found[0] in inv.TITLES else rng.choice(inv.TITLES[:30])
                        out += sentence[at : found.start()]
                        spans.add((len(out), len(out) + len(value)))
                        out, at = out + value + tail, found.end()
                    if spans:
                        yield out + sentence[at:], spans
                        made += 1
                        if made % (limit // len(names)) == 0:
                            break
                else:
                    continue
                break

    def anyone(self, zh: bool) -> str:
        kind = self.rng.random()
        if zh:
            if kind < 0.03:
                return self.english() if kind < 0.015 else self.given_english()
            return (
                self.rng.choice("小小老") + self.rng.choice(inv.PLAIN)
                if kind < 0.07
                else inv.chinese_name(self.rng, self.given)
            )
        return self.given_english() if kind < 0.35 else inv.pinyin_name(self.rng) if kind < 0.42 else self.english()

    def articles_zh(self) -> Iterator[tuple[str, set[tuple[int, int]]]]:
        for name, sentences in self.people + self.firms:
            for sentence in sentences:
                new = name
                if self.rng.random() < 0.7:
                    firm = name.endswith(tuple(inv.ORGANISATION_ENDS))
                    new = inv.organisation(self.rng, self.places) if firm else inv.chinese_name(self.rng, self.given)
                parts, text, spans = sentence.split(name), "", set()
                for k, part in enumerate(parts):
                    text += part
                    if k + 1 < len(parts):
                        spans.add((len(text), len(text) + len(new)))
                        text += new
                yield text, spans

    def articles_en(self) -> Iterator[tuple[str, set[tuple[int, int]]]]:
        for row in rows(self.data / "enwiki/leads.jsonl.zst"):
            name, text = row["title"], row["text"][:1500]
            if not re.search(r"\(born |\([^)]{0,60}\d{4}\s*[–-]\s*[^)]{0,40}\d{4}\)", text[:250]) or not re.fullmatch(
                r"[A-Z][\w'.-]+(?: [\w'.-]+){1,2}", name
            ):
                continue
            family = name.split()[-1]
            if not family[0].isupper() or family in ("I", "II", "III", "IV", "V", "VI", "VII"):
                continue
            new, new_family = (self.english(), "") if self.rng.random() < 0.7 else (name, family)
            new_family = new.split()[-1]
            out, spans, at = "", set(), 0
            for found in re.finditer(rf"\b(?:{re.escape(name)}|{re.escape(family)})\b", text):
                value = new if found[0] == name else new_family
                out += text[at : found.start()]
                spans.add((len(out), len(out) + len(value)))
                out, at = out + value, found.end()
            yield out + text[at:], spans


class Examples:
    """Features and labels of candidates, gathered from texts."""

    def __init__(self, model: Any, words: set[str]) -> None:
        self.model, self.words = model, words
        self.features: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.noisy: list[np.ndarray] = []  # negatives of unlabelled text
        self.short: list[np.ndarray] = []  # two characters
        self.wordlike: list[np.ndarray] = []  # of them, those that hold an ordinary word

    def add(self, batch: list[tuple[str, set[tuple[int, int]]]], noisy: bool) -> None:
        text, spans = "", set()
        pieces = []
        for piece, found in batch:
            pieces.append(piece)
        at = 0
        for piece, found in batch:
            spans |= {(a + at, b + at) for a, b in found}
            at += len(piece) + 1
        text = "\n".join(pieces)
        places, features = self.model.candidates(text)
        label = np.fromiter(((int(a), int(b)) in spans for a, b, _ in places), np.float32, len(places))
        covered = np.zeros(len(text) + 1, bool)
        for a, b in spans:
            covered[a:b] = True
        overlap = np.fromiter((covered[a:b].any() for a, b, _ in places), bool, len(places))
        self.features.append(features.astype(np.int32))
        self.labels.append(label)
        self.noisy.append((label == 0) & ~overlap if noisy else np.zeros(len(places), bool))
        self.short.append(places[:, 1] - places[:, 0] == 2)
        self.wordlike.append(np.fromiter((not overlap[i] and self.is_no_name(text[a:b]) for i, (a, b, _) in enumerate(places)), bool, len(places)))  # fmt: skip

    def is_no_name(self, text: str) -> bool:
        return (
            text in self.words
            or text in PRODUCTS
            or any(c in NEVER for c in text)
            or text[:2] in self.words
            or text[1:] in self.words
        )

    def add_all(self, texts: Iterator[tuple[str, set[tuple[int, int]]]], noisy: bool) -> None:
        batch: list[tuple[str, set[tuple[int, int]]]] = []
        for item in texts:
            batch.append(item)
            if len(batch) == 500:
                self.add(batch, noisy)
                batch = []
        if batch:
            self.add(batch, noisy)


def known(text: str, maker_safe: re.Pattern[str]) -> set[tuple[int, int]]:
    """Persons of unlabelled text that need no model: a plain surname before a title."""
    return {found.span(1) for found in maker_safe.finditer(text)}


def fit(features: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, epochs: int) -> torch.Tensor:
    """Logistic regression over hashed features: the weights, (BUCKETS,) float32. Adagrad, as few features are common."""
    w, squares = torch.zeros(BUCKETS), torch.full((BUCKETS,), 1e-8)
    generator = torch.Generator().manual_seed(16)
    for epoch in range(epochs):
        loss_sum, rate = 0.0, 0.25 / (1 + epoch)
        for batch in torch.randperm(len(labels), generator=generator).split(2048):
            x, y, c = features[batch], labels[batch], weight[batch]
            logit = w[x].sum(1)
            error = (torch.sigmoid(logit) - y) * c
            flat, g = x.flatten().long(), error.repeat_interleave(N_FEATURES)
            gradient = torch.zeros(BUCKETS).index_add_(0, flat, g) if len(batch) * N_FEATURES > BUCKETS // 4 else None
            if gradient is None:
                used, inverse = flat.unique(return_inverse=True)
                gradient = torch.zeros(len(used)).index_add_(0, inverse, g) + 2e-3 * w[used]
                squares[used] += gradient**2
                w[used] -= rate * gradient / squares[used].sqrt()
            else:
                squares += gradient**2
                w -= rate * gradient / squares.sqrt()
            w[0] = 0
            loss_sum += float(
                (torch.nn.functional.binary_cross_entropy_with_logits(logit, y, reduction="none") * c).sum()
            )
        print(f"epoch {epoch}: loss {loss_sum / float(weight.sum()):.4f}")
    return w


NOISY = {
    "zh_ms_docs/docs-01": 4_000_000, "zh_recipes/docs": 600_000,
    "zh_tech_books/docs": 3_000_000, "zh_freecodecamp/docs": 1_500_000, "crosswoz/dialogues": 1_500_000, "zh_k8s_docs/docs": 1_500_000,
    "oasst_zh/sft": 1_500_000, "zh_emollm/docs": 5_000_000, "zh_laws/laws": 2_500_000, "zh_lctt/docs": 2_000_000,
    "ms_support_zh/articles": 1_500_000, "written/service": 500_000, "written/everyday-zh": 500_000, "written/dialog-zh": 500_000,
    "written/prose-zh": 500_000, "kdconv_zh/dialogues": 700_000, "zh_tech_blogs/docs": 2_000_000, "zhwiki/articles-02": 6_000_000,
    "enwiki/leads": 8_000_000, "sgd_dialogues/dialogues": 3_000_000, "python_docs_en_zh/pairs": 3_000_000, "zh_docs/pairs": 1_500_000,
    "intents_en/CLINC150": 700_000, "intents_en/BANKING77": 700_000, "written/everyday-en": 500_000, "written/writing": 500_000,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "jieba", "census", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--each", type=int, default=250, help="sentences of one template")
    parser.add_argument("--positive", type=float, default=4.0, help="weight of a name against that of no name")
    args = parser.parse_args()
    bits, words = build_words(args)
    model = _guard.NameModel(bits, np.zeros(BUCKETS, np.int8), SCALE)
    maker, examples = Maker(args, words), Examples(model, words)
    safe = re.compile(rf"(?<![{HAN}])([{inv.PLAIN}])(?:{'|'.join(t for t in inv.TITLES if len(t) > 1)})")
    examples.add_all(maker.templates(True, args.each), False)
    examples.add_all(maker.templates(False, args.each), False)
    for zh in (True, False):
        examples.add_all(maker.roles(zh, 110_000 if zh else 60_000), False)
        examples.add_all(maker.decoys(zh, 70_000 if zh else 40_000), False)
    examples.add_all(maker.pronouns(True, 60_000), False)
    examples.add_all(maker.pronouns(False, 40_000), False)
    print(f"{sum(map(len, examples.labels)):,} candidates of made sentences")
    examples.add_all(maker.articles_zh(), True)
    examples.add_all(maker.articles_en(), True)
    people = {name for name, _ in maker.people}
    for name, limit in NOISY.items():
        if (args.data / f"{name}.jsonl.zst").exists():
            examples.add_all(((t, known(t, safe)) for t in Corpus(args.data, name, limit) if t[:4] not in people), True)
        else:
            print("missing", name)
    features = torch.from_numpy(np.concatenate(examples.features))
    labels = torch.from_numpy(np.concatenate(examples.labels))
    noisy = torch.from_numpy(np.concatenate(examples.noisy))
    print(f"{len(labels):,} candidates, {int(labels.sum()):,} names")
    weight = 1 + (args.positive - 1) * labels
    for round_, epochs in enumerate((2, 4)):
        w = fit(features[weight > 0], labels[weight > 0], weight[weight > 0], epochs)
        if round_ == 0:
            score = torch.cat([w[x].sum(1) for x in features.split(1 << 20)])
            wordlike = torch.from_numpy(np.concatenate(examples.wordlike))
            short = torch.from_numpy(np.concatenate(examples.short))
            weight[noisy & (score > torch.where(wordlike, 1.5, torch.where(short, 0.5, -2.0)))] = 0
            print(f"struck out: {int((weight == 0).sum()):,}")
    steps = np.clip(np.rint(w.numpy() / SCALE), -127, 127).astype(np.int8)
    np.savez_compressed(args.out, words=bits, weights=steps, scale=np.float32(SCALE))


if __name__ == "__main__":
    main()
