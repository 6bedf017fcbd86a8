"""The sentences of the benchmark of personal data: well formed, reproducible, disguised as stated; the arithmetic."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random

import pytest
from stdnum import iban, imei, luhn
from stdnum.cn import ric, uscc
from stdnum.gb import nhs
from stdnum.us import itin, rtn, ssn

HERE = Path(__file__).resolve().parents[2] / "bench" / "pii"
sys.path.insert(0, str(HERE))

import disguise  # noqa: E402
import peer_types  # noqa: E402
import sentences  # noqa: E402
import tools  # noqa: E402
import values  # noqa: E402
from scoring import Found, group, score  # noqa: E402
from sentences import Gold, Sentence  # noqa: E402

from fathom.guard.entities import DEFAULT_TYPES, ENTITIES  # noqa: E402

VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
ABSENT = {  # kinds that are rare in the other language's text
    "zh": {"US_SSN", "US_ITIN", "US_NPI", "US_ROUTING", "UK_NHS", "UK_NINO", "TAX_ID", "CUSTOM"},
    "en": {"CN_ID", "CN_PERMIT", "CN_USCC", "CN_PLATE", "CN_MILITARY_ID", "CN_SOCIAL_SECURITY", "CUSTOM"},
}


@pytest.mark.parametrize("split", sentences.SPLITS)
@pytest.mark.parametrize("language", sentences.LANGUAGES)
def test_a_split_covers_every_default_type_and_a_fifth_has_no_entity(split, language) -> None:
    made = sentences.sentences(split, language)
    assert len(made) >= 2000
    assert len({s.text for s in made}) == len({s.id for s in made}) == len(made)
    counts = Counter(g.type for s in made for g in s.spans)
    assert set(counts) == DEFAULT_TYPES - ABSENT[language]
    assert min(counts.values()) >= 20
    assert sum(not s.spans for s in made) >= 0.2 * len(made)


@pytest.mark.parametrize("split", sentences.SPLITS)
@pytest.mark.parametrize("language", sentences.LANGUAGES)
def test_spans_are_sorted_disjoint_and_of_the_list(split, language) -> None:
    for s in sentences.sentences(split, language):
        at = 0
        for g in s.spans:
            assert at <= g.start < g.end <= len(s.text), s
            assert {g.type, *g.also} <= set(ENTITIES)
            at = g.end


@pytest.mark.parametrize("split", sentences.SPLITS)
def test_numbers_are_disguised_in_the_stated_shares(split) -> None:
    for language, shares in (
        ("zh", {"glued": 0.2, "full-width": 0.1, "zero-width": 0.1, "spaced": 0.1}),
        ("en", {"full-width": 0.1, "zero-width": 0.1, "spaced": 0.1}),
    ):
        numbers = [g for s in sentences.sentences(split, language) for g in s.spans if g.type in disguise.NUMBERS]
        counts = Counter(g.disguise for g in numbers)
        for name, share in shares.items():
            assert counts[name] / len(numbers) == pytest.approx(share, abs=0.03), (language, name)


VALID: dict[str, Callable[[str], bool]] = {
    "CN_ID": lambda v: v[0] in "89" or ric.is_valid(v),  # whose places stdnum does not know
    "CN_USCC": uscc.is_valid,
    "BANK_CARD": luhn.is_valid,
    "IBAN": iban.is_valid,
    "IMEI": imei.is_valid,
    "US_NPI": lambda v: luhn.is_valid("80840" + v),
    "US_ROUTING": rtn.is_valid,
    "US_SSN": ssn.is_valid,
    "US_ITIN": itin.is_valid,
    "UK_NHS": nhs.is_valid,
}


def test_the_numbers_pass_the_checks_of_stdnum() -> None:
    checked = Counter[str]()
    for split, language in product(sentences.SPLITS, sentences.LANGUAGES):
        for s in sentences.sentences(split, language):
            for g in s.spans:
                if g.type in VALID and g.disguise in ("plain", "glued"):
                    checked[g.type] += 1
                    assert VALID[g.type](s.text[g.start : g.end]), s.text[g.start : g.end]
    assert set(checked) == set(VALID)


def test_numbers_of_our_own_generators_pass_their_checksums() -> None:
    weights = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
    for vin in ("1M8GDM9AXKP042788", *(values.vin(Random(i)) for i in range(50))):
        total = sum(weights.get(c, int(c) if c.isdigit() else 0) * w for c, w in zip(vin, VIN_WEIGHTS, strict=True))
        assert vin[8] == "0123456789X"[total % 11]
    for i in range(50):
        *body, check = values.hkid(Random(i)).replace("(", "").replace(")", "")
        digits = [36] * (8 - len(body)) + [int(c, 36) for c in body]
        total = sum(v * w for v, w in zip(digits, range(9, 1, -1), strict=True))
        assert (total + int(check, 36)) % 11 == 0


def test_glued_numbers_touch_chinese_characters_and_plain_ones_do_not() -> None:
    for s in sentences.sentences("dev", "zh"):
        for g in s.spans:
            if g.type in disguise.NUMBERS:
                before = g.start and disguise.is_cjk(s.text[g.start - 1])
                assert bool(before) == (g.disguise == "glued"), s


def test_the_same_seed_gives_the_same_sentences() -> None:
    first = sentences.sentences("dev", "zh")
    sentences.sentences.cache_clear()
    assert sentences.sentences("dev", "zh") == first


@pytest.mark.parametrize("language", sentences.LANGUAGES)
def test_the_splits_share_neither_templates_nor_words_nor_values(language) -> None:
    dev, test = (sentences.source(split, language) for split in sentences.SPLITS)
    for kind in ("templates", "negatives"):
        lines = [{line for register in part[kind].values() for line in register} for part in (dev, test)]
        assert not lines[0] & lines[1]
    assert dev["inventory"].keys() == test["inventory"].keys()
    for name in dev["inventory"]:
        assert not set(dev["inventory"][name]) & set(test["inventory"][name]), name
    values = [
        {s.text[g.start : g.end] for s in made for g in s.spans if g.type != "BIRTH_DATE"}
        for made in (sentences.sentences(split, language) for split in sentences.SPLITS)
    ]
    assert not values[0] & values[1]


def spans(*found: tuple[int, int, str]) -> dict[str, list[Found]]:
    return {"x": [Found(*f) for f in found]}


def test_half_of_a_gold_span_under_the_right_type_is_a_hit() -> None:
    s = [Sentence("x", "zh", "form", "0123456789", (Gold(2, 8, "PHONE", ("ACCOUNT",)),))]

    def row(*found: tuple[int, int, str]) -> tuple[int, int, int]:
        r = group(score(s, spans(*found)), "zh", frozenset({"PHONE"}))
        return r.recalled, r.anyhow, r.exact

    assert row((2, 8, "PHONE")) == (1, 1, 1)
    assert row((2, 8, "ACCOUNT")) == (1, 1, 1)
    assert row((2, 5, "PHONE")) == (1, 1, 0)
    assert row((2, 4, "PHONE")) == (0, 0, 0)
    assert row((2, 4, "PHONE"), (6, 8, "PHONE")) == (1, 1, 0)
    assert row((2, 8, "EMAIL")) == (0, 1, 0)
    assert row() == (0, 0, 0)


def test_false_alarms_are_counted_by_type_and_wider_notions_never() -> None:
    positive = Sentence("x", "en", "form", "0123456789", (Gold(2, 8, "PHONE"),))
    negative = Sentence("y", "en", "no words", "0123456789")
    found = {"x": [Found(0, 10, "PHONE"), Found(0, 2, "IP")], "y": [Found(0, 3, "IP"), Found(0, 3, "~ADDRESS")]}
    result = score([positive, negative], found)
    assert (result.types["en", "PHONE"].right, result.types["en", "PHONE"].wrong) == (1, 0)
    assert result.types["en", "IP"].wrong == 2
    assert result.negatives == {("en", "IP"): 1}
    assert [e.note for e in result.alarms] == ["positive", "negative"]
    assert result.types["en", "ADDRESS"].precision is None


def test_types_of_peers_become_ours_wider_ones_with_a_mark_and_the_rest_nobodys() -> None:
    spans = [(0, 3, "CREDIT_CARD"), (4, 9, "DATE_TIME"), (10, 12, "HEX_COLOR")]
    assert [f.type for f in tools.renamed(tools.PRESIDIO, spans)] == ["BANK_CARD", "~BIRTH_DATE", "~HEX_COLOR"]
    for table in (peer_types.PRESIDIO, peer_types.LLM_GUARD):
        assert {t for t in table.values() if not t.startswith("~")} <= set(ENTITIES)


def test_fathom_answers_every_sentence_with_spans_inside_it() -> None:
    made = sentences.sentences("dev", "zh")[:200]
    found = tools.run(tools.FATHOM, tools.asked(made), tools.PEERS)
    assert list(found) == [s.id for s in made]
    assert all(0 <= f.start < f.end <= len(s.text) and f.type in ENTITIES for s in made for f in found[s.id])
