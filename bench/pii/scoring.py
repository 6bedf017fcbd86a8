"""How found spans compare with gold: per type, disguise and language; and what was found that is not there.

A gold span is recalled when spans of a right type cover at least half of it, *found* when spans of any type do, *exact*
when one span of a right type has its bounds. A found span is right when at least half of it lies in gold that accepts
its type. Offsets are code points.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sentences import Gold, Sentence

# Kinds whose number proves itself by a checksum (of TAX_ID nearly all, of CRYPTO all but ETH in small letters).
CHECKSUMMED = frozenset(
    [
        "CN_ID",
        "CN_USCC",
        "BANK_CARD",
        "IBAN",
        "VIN",
        "IMEI",
        "HKID",
        "US_NPI",
        "UK_NHS",
        "US_ROUTING",
        "CRYPTO",
        "TAX_ID",
    ]
)
NAMES = frozenset({"PERSON", "ORGANISATION", "ADDRESS"})


class Found(NamedTuple):
    start: int
    end: int
    type: str


@dataclass(slots=True)
class Row:
    """Counts of one row of a table."""

    gold: int = 0
    recalled: int = 0
    anyhow: int = 0  # covered by spans of any type
    exact: int = 0
    right: int = 0  # of the spans found
    wrong: int = 0

    def add(self, other: Row) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def recall(self) -> float:
        return self.recalled / self.gold if self.gold else 0.0

    @property
    def precision(self) -> float | None:
        """None where nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def f1(self) -> float:
        p, r = self.precision or 0.0, self.recall
        return 2 * p * r / (p + r) if p + r else 0.0


class Example(NamedTuple):
    sentence: Sentence
    start: int
    end: int
    type: str
    note: str  # of a miss the disguise and what was found there, of a false alarm ``positive`` or ``negative``


@dataclass(slots=True)
class Score:
    types: dict[tuple[str, str], Row] = field(default_factory=lambda: defaultdict(Row))  # language, type
    disguises: dict[tuple[str, str], Row] = field(default_factory=lambda: defaultdict(Row))  # language, disguise
    negatives: Counter[tuple[str, str]] = field(default_factory=Counter)  # language, type: spans in negative sentences
    misses: list[Example] = field(default_factory=list)
    alarms: list[Example] = field(default_factory=list)


def covered(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether at least half of start:end lies in the spans."""
    inside: set[int] = set()
    for s, e in spans:
        inside.update(range(max(s, start), min(e, end)))
    return 2 * len(inside) >= end - start


def accepts(gold: Gold, type: str) -> bool:
    return type == gold.type or type in gold.also


def score(sentences: Sequence[Sentence], found: Mapping[str, Sequence[Found]]) -> Score:
    """``found``: sentence id to spans. A type with a leading ``~`` (a peer's wider notion of it) helps recall and is
    never a false alarm."""
    result = Score()
    for sentence in sentences:
        spans = found.get(sentence.id, ())
        _recall(result, sentence, spans)
        for span in spans:
            name = span.type.removeprefix("~")
            right = covered(span.start, span.end, ((g.start, g.end) for g in sentence.spans if accepts(g, name)))
            row = result.types[sentence.language, name]
            if right:
                row.right += 1
            elif not span.type.startswith("~"):
                row.wrong += 1
                kind = "positive" if sentence.spans else "negative"
                if not sentence.spans:
                    result.negatives[sentence.language, name] += 1
                result.alarms.append(Example(sentence, span.start, span.end, name, kind))
    return result


def _recall(result: Score, sentence: Sentence, spans: Sequence[Found]) -> None:
    for gold in sentence.spans:
        same = [s for s in spans if accepts(gold, s.type.removeprefix("~"))]
        hit = covered(gold.start, gold.end, ((s.start, s.end) for s in same))
        anyhow = covered(gold.start, gold.end, ((s.start, s.end) for s in spans))
        row = Row(1, hit, anyhow, any((s.start, s.end) == (gold.start, gold.end) for s in same))
        result.types[sentence.language, gold.type].add(row)
        if gold.type not in NAMES:
            result.disguises[sentence.language, gold.disguise].add(row)
        if not hit:
            there = ",".join(sorted({s.type for s in spans if s.start < gold.end and gold.start < s.end}))
            note = gold.disguise + (f", found as {there}" if there else "")
            result.misses.append(Example(sentence, gold.start, gold.end, gold.type, note))


def group(result: Score, language: str, types: frozenset[str]) -> Row:
    total = Row()
    for (of, type), row in result.types.items():
        if of == language and type in types:
            total.add(row)
    return total
