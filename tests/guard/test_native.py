"""The native passes over hostile texts: no place outside of the text, no crash.

`make sanitize-guard` runs this file with the module compiled for the sanitizers of addresses and undefined behaviour.
"""

from __future__ import annotations

import random

import pytest

from fathom import _guard
from fathom.guard import Masker, Scanner, Unmasker, Vault
from fathom.guard.context import WORDS
from fathom.guard.names import _model
from fathom.guard.vault import SPELLINGS

LABELS = [word for words in WORDS.values() for word in words]
PIECES = [
    *"0123456789Xx-. ()[]/_:+,，。年月日ABCDEFabcdefGZ\0\u200b\u0301\ufeff\ud800\udfff\U0010ffff",
    *"〇一二三四五六七八九十零幺两壹贰叁肆０１Ａ⑳㊿㉟𝟘𝐀…‥ÀÉŽßÿ\x80\u4e00\u9fff\u3400⟦⟧",
    *("110105", "19491231", "002X", "4111111111111111", "GB82WEST12345698765432", "+86", "0086", "138", "0000"),
    *("fe80:", "::", "aa:bb:cc:dd:ee:ff", "aabb.ccdd.eeff", "192.168.1.1", "De", "Van der ", "John ", "O'Brien "),
    *("Jean-Luc ", "J. ", "McDonald", "王", "小明", "欧阳", "先生", "老", "有限公司", "医院", "中国", "北京市"),
    *("PERSON", "_1", "[[", "]]", "{{", "\\_", "a" * 40, "1" * 40, "9" * 70),
]
SCANNERS = [Scanner(), Scanner(strict=True)]
MASKER = Masker()


def hostile(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.1:
        planes = [0x80, 0x3000, 0x110000]
        return "".join(chr(rng.randrange(rng.choice(planes))) for _ in range(rng.randrange(200)))
    if kind < 0.2:
        return rng.choice(PIECES) * rng.randrange(300)
    return "".join(rng.choice(LABELS if rng.random() < 0.1 else PIECES) for _ in range(rng.randrange(60)))


def inside(text: str, rows) -> None:
    for start, end, *_ in rows:
        assert 0 <= start < end <= len(text)


def passes(text: str, rng: random.Random) -> None:
    shadow, origin = _guard.fold(text)
    if origin is not None:
        places = origin.tolist()
        assert (len(places), places[-1]) == (len(shadow) + 1, len(text))
        assert places == sorted(places)
    for read in (text, shadow):
        inside(read, _guard.numbers(read, 20261127).tolist())
        inside(read, _guard.machines(read).tolist())
        inside(read, _guard.words(read, rng.randrange(1, 5)).tolist())
        inside(read, _guard.runs(read, rng.randrange(8)).tolist())
        inside(read, _model().find(read, -3.0))
    _model().candidates(text)
    words = [hostile(rng)[: rng.randrange(12)] for _ in range(rng.randrange(6))]
    for longest in (False, True):
        flags = [longest or rng.random() < 0.5 for _ in words]
        inside(text, _guard.Automaton(words, list(range(len(words))), flags, longest).find(text).tolist())
    literals = _guard.Literals()
    for word in words:
        literals.add(word)
    copy = literals.copy()
    copy.add("⟦PERSON_1⟧")
    open = rng.random() < 0.5
    inside(text, literals.find(text, open)[0])
    inside(text, SPELLINGS.find(text, literals, copy, open)[0])
    assert all(0 <= number < len(literals) for number in literals.occurring(text))


@pytest.mark.parametrize("seed", range(4))
def test_every_place_lies_in_the_text(seed):
    rng = random.Random(seed)
    for _ in range(150):
        passes(hostile(rng), rng)


@pytest.mark.parametrize("seed", range(4))
def test_hostile_texts_are_scanned_masked_and_come_back(seed):
    rng = random.Random(seed)
    for _ in range(60):
        text = hostile(rng)
        for scanner in SCANNERS:
            inside(text, scanner.find(text))
        vault = Vault()
        masked = MASKER.mask(text, vault).text
        unmasker = Unmasker(vault)
        assert "".join([*map(unmasker.feed, masked), unmasker.feed("", end=True)]) == text
        assert not unmasker.unknown
