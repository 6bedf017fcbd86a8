"""Values put back into a stream: the same however it is cut, nothing held back that can't become a token."""

from __future__ import annotations

import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard.stream import Unmasker
from fathom.guard.vault import Vault

PAIRS = {
    "⟦PERSON_1⟧": "张三",
    "⟦PERSON_12⟧": 'say "⟦PERSON_1⟧"\n\\',
    "⟦LITERAL_1⟧": "⟦",
    "王小明": "李雷",
    "王小": "a\ud800b",
    "𠮷野": "𠮷😀",
    "13800000001": "13912345678",
    "138": "",
}
ALPHABET = ["⟦", "⟧", "PERSON", "_", "1", "2", "138", "0", "王", "小", "明", "𠮷", "野", "x", '"', "\n", "\ud83d", "\\"]
ESCAPED = [*ALPHABET[:-3], r"\n", r"\"", r"\\", r"\u27e6", r"\u27E7", r"\ud842\udfb7", r"\ud842", r"\u", r"\u2", "\\"]


def cut(text: str, rng: random.Random) -> list[str]:
    places = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 6)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def streamed(unmasker: Unmasker, pieces: list[str]) -> str:
    return "".join([*map(unmasker.feed, pieces), unmasker.feed("", end=True)])


def plain_twin(text: str, pairs: dict[str, str]) -> str:
    """The whole text at once, every token tried at every place."""
    out, place = [], 0
    while place < len(text):
        token = next((t for t in sorted(pairs, key=len, reverse=True) if text.startswith(t, place)), None)
        out.append(text[place] if token is None else pairs[token])
        place += 1 if token is None else len(token)
    return "".join(out)


@given(st.lists(st.sampled_from([*ALPHABET, *PAIRS])).map("".join))
def test_the_whole_text_equals_the_plain_twin(text):
    assert Unmasker(Vault.of(PAIRS)).feed(text, end=True) == plain_twin(text, PAIRS)


@given(st.lists(st.sampled_from([*ALPHABET, *PAIRS])).map("".join), st.randoms(use_true_random=False))
def test_the_answer_is_the_same_however_the_text_is_cut(text, rng):
    unmasker = Unmasker(Vault.of(PAIRS))
    assert streamed(unmasker, cut(text, rng)) == unmasker.feed(text, end=True)


@given(st.lists(st.sampled_from([*ESCAPED, *PAIRS])).map("".join), st.randoms(use_true_random=False))
def test_the_same_holds_in_json(text, rng):
    unmasker = Unmasker(Vault.of(PAIRS), json=True)
    assert streamed(unmasker, cut(text, rng)) == unmasker.feed(text, end=True)


@given(st.text(st.sampled_from([*'⟦⟧PERSON_12王小明𠮷野138\n"\\/\ud842é'])), st.booleans(), st.randoms())
def test_unmasked_json_reads_as_the_unmasked_text(text, ascii, rng):
    """json.loads undoes it, whichever characters the model chose to escape."""
    written = json.dumps({"a": [text]}, ensure_ascii=ascii)
    unmasker = Unmasker(Vault.of(PAIRS), json=True)
    assert json.loads(streamed(unmasker, cut(written, rng))) == {"a": [plain_twin(text, PAIRS)]}


def sample(json: bool, runs: int, seed: int) -> int:
    """Mismatches in ``runs`` random chunkings of random streams."""
    rng, wrong = random.Random(seed), 0
    unmasker, words = Unmasker(Vault.of(PAIRS), json=json), [*(ESCAPED if json else ALPHABET), *PAIRS]
    for _ in range(runs):
        text = "".join(rng.choices(words, k=rng.randint(0, 30)))
        wrong += streamed(unmasker, cut(text, rng)) != unmasker.feed(text, end=True)
    return wrong


@pytest.mark.parametrize("json", [False, True])
def test_no_chunking_of_a_seeded_sample_changes_the_answer(json):
    assert sample(json, 500, seed=1) == 0


@pytest.mark.slow
@pytest.mark.parametrize("json", [False, True])
def test_no_chunking_of_20000_changes_the_answer(json):
    assert sample(json, 20_000, seed=2) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("见⟦", "见"),
        ("见⟦PERS", "见"),
        ("见⟦PERSON_1⟧", "见张三"),  # complete, and no longer token begins like it
        ("见⟦PERSON_2", "见⟦PERSON_2"),  # no token begins like this
        ("见⟦ORDER", "见⟦ORDER"),
        ("王小", ""),  # may become 王小明
        ("王小刚", "a\ud800b刚"),
        ("价格 1", "价格 "),
        ("价格 12", "价格 12"),
    ],
)
def test_only_a_possible_beginning_of_a_token_is_held_back(text, said):
    assert Unmasker(Vault.of(PAIRS)).feed(text) == said


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["\\", "u27e6PERSON_1⟧"], ["", "张三"]),
        (["\\u27E6PERSON_1\\u27e", "7."], ["", "张三."]),
        (["⟦PERSON\\u005f1⟧"], ["张三"]),
        (["⟦PERSON_12⟧"], ['say \\"⟦PERSON_1⟧\\"\\n\\\\']),
        (["\\\\u27e6PERSON_1⟧"], ["\\\\u27e6PERSON_1⟧"]),  # an escaped backslash, then plain letters
        (["\\ud842", "\\udfb7野"], ["", "𠮷😀"]),
        (["\\ud842\\u", "d", "fb7野"], ["", "", "𠮷😀"]),
        (["\\n", "\\t"], ["\\n", "\\t"]),
        (["王小刚"], ["a\\ud800b刚"]),
    ],
)
def test_escapes_of_json_are_seen_through(pieces, said):
    unmasker = Unmasker(Vault.of(PAIRS), json=True)
    assert [unmasker.feed(piece) for piece in pieces] == said


def test_an_unmasker_begins_anew_after_the_end():
    unmasker = Unmasker(Vault.of(PAIRS))
    assert unmasker.feed("⟦PERSON_", end=True) == "⟦PERSON_"
    assert unmasker.feed("1⟧", end=True) == "1⟧"


def test_without_tokens_everything_passes_at_once():
    assert Unmasker(Vault()).feed("⟦PERSON_1⟧ ⟦") == "⟦PERSON_1⟧ ⟦"


@pytest.mark.parametrize("text", ["⟦", "⟦PERSON_1", "⟦PERSON_1⟧", "1", "王小", "\\", "\\u27e6", "\\ud842"])
def test_time_grows_with_the_text_and_no_faster(text):
    vault = Vault.of({f"⟦PERSON_{n}⟧": "v" for n in range(1, 1000)} | PAIRS)

    def seconds(size: int) -> float:
        unmasker, whole = Unmasker(vault, json=True), text * (size // len(text))
        began = time.process_time()
        unmasker.feed(whole, end=True)
        return time.process_time() - began

    assert seconds(200_000) < 20 * max(seconds(20_000), 0.002)


def test_a_stream_of_single_characters_costs_no_more_than_its_length():
    unmasker = Unmasker(Vault.of(PAIRS), json=True)
    began = time.process_time()
    for character in "⟦PERSON_1⟧ and \\u27e6PERSON" * 1000:
        unmasker.feed(character)
    assert time.process_time() - began < 2
