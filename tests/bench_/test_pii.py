"""The sentences of the benchmark of personal data: well formed, reproducible, disguised as stated; the arithmetic."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "bench" / "pii"
sys.path.insert(0, str(HERE))

import disguise  # noqa: E402
import peer_types  # noqa: E402
import sentences  # noqa: E402
import tools  # noqa: E402
from scoring import Found, group, score  # noqa: E402
from sentences import Gold, Sentence  # noqa: E402

from fathom.guard.entities import DEFAULT_TYPES, ENTITIES  # noqa: E402

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
    found = tools.run(tools.FATHOM, made, None)
    assert list(found) == [s.id for s in made]
    assert all(0 <= f.start < f.end <= len(s.text) and f.type in ENTITIES for s in made for f in found[s.id])
