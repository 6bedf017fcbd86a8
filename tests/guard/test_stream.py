"""Values put back into a stream: the same however it is cut, nothing held back that can't become a token."""

from __future__ import annotations

import gc
import json
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.guard import Masker
from fathom.guard.entities import ENTITIES
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
SPELT = [
    "[PERSON_1]",
    "【person 12 】",
    "<<Person-1>>",
    "[[literal\\_1]]",
    "{PERSON_9}",
    "⟦person1⟧",
    "[ｐｈｏｎｅ＿１］",
]
ALPHABET = [
    "[",
    "]",
    "】",
    " ",
    "-",
    "person",
    *SPELT,
    "⟦",
    "⟧",
    "PERSON",
    "_",
    "1",
    "2",
    "138",
    "0",
    "王",
    "小",
    "明",
    "𠮷",
    "野",
    "x",
    '"',
    "\n",
    "\ud83d",
    "\\",
]
ESCAPED = [
    *ALPHABET[:-3],
    r"\\_",
    r"\u005bPERSON",
    r"\n",
    r"\"",
    r"\\",
    r"\u27e6",
    r"\u27E7",
    r"\ud842\udfb7",
    r"\ud842",
    r"\u",
    r"\u2",
    "\\",
]


def cut(text: str, rng: random.Random) -> list[str]:
    places = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 6)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def streamed(unmasker: Unmasker, pieces: list[str]) -> str:
    return "".join([*map(unmasker.feed, pieces), unmasker.feed("", end=True)])


def twin(text: str, pairs: dict[str, str]) -> tuple[str, list[str]]:
    """The whole text at once, every token tried at every place; and the placeholders that nobody knows."""
    out, unknown, place = [], [], 0
    while place < len(text):
        token = next((t for t in sorted(pairs, key=len, reverse=True) if text.startswith(t, place)), "")
        end, spelt = spelling(text, place) or (place, "")
        if spelt and spelt not in pairs:
            unknown.append(spelt)
        elif end > place + len(token):
            out.append(pairs[spelt])
            place = end
            continue
        out.append(pairs[token] if token else text[place])
        place += len(token) or 1
    return "".join(out), unknown


def plain_twin(text: str, pairs: dict[str, str]) -> str:
    return twin(text, pairs)[0]


BRACKETS = ["⟦⟧", "[]", "<>", "{}", "【】", "〔〕", "〖〗", "〈〉", "《》", "〚〛", "⟨⟩", "⟪⟫"]
PLAIN = {0xFEE0 + c: c for c in range(0x21, 0x7F)} | {0x3000: " ", 0xA0: " "}
NAMES = "|".join(type.replace("_", r"(?:\\?_|[ -])") for type in [*ENTITIES, "LITERAL"])
DOUBLED = [("[[", "]]"), ("<<", ">>"), ("{{", "}}")]
SPELLINGS = [
    re.compile(rf"{re.escape(o)} {{0,2}}({NAMES})(\\?_|[ -])?([1-9][0-9]{{0,17}}) {{0,2}}{re.escape(c)}", re.I | re.A)
    for o, c in [*DOUBLED, *BRACKETS]
]


def spelling(text: str, place: int) -> tuple[int, str] | None:
    """Where the spelling of a placeholder ends that begins here, and the placeholder."""
    plain = text.translate(PLAIN)
    for pattern in SPELLINGS:
        if (found := pattern.match(plain, place)) and (found[2] or found[1].isupper()):
            return found.end(), f"⟦{re.sub(r'[^A-Z]+', '_', found[1].upper())}_{found[3]}⟧"
    return None


@given(st.lists(st.sampled_from([*ALPHABET, *PAIRS])).map("".join))
def test_the_whole_text_equals_the_plain_twin(text):
    unmasker = Unmasker(Vault.of(PAIRS))
    said, unknown = twin(text, PAIRS)
    assert unmasker.feed(text, end=True) == said
    assert sorted(unmasker.unknown.elements()) == sorted(unknown)


@given(st.lists(st.sampled_from([*ALPHABET, *PAIRS])).map("".join), st.randoms(use_true_random=False))
def test_the_answer_is_the_same_however_the_text_is_cut(text, rng):
    unmasker, whole = Unmasker(Vault.of(PAIRS)), Unmasker(Vault.of(PAIRS))
    assert streamed(unmasker, cut(text, rng)) == whole.feed(text, end=True)
    assert unmasker.unknown == whole.unknown


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
        ("见⟦PERSON_2", "见"),  # no token begins like this, but a placeholder that nobody knows is counted
        ("见⟦PERSON_2x", "见⟦PERSON_2x"),
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


@pytest.mark.parametrize(
    "spelt",
    [
        *(f"{o}BANK_CARD_1{c}" for o, c in [*DOUBLED, *BRACKETS, "［］", "＜＞", "｛｝", "[］"]),
        *(
            "[bank_card_1]",
            "[Bank Card 1]",
            "<bank-card-1>",
            "[BANK_CARD1]",
            "[  BANK_CARD_1\u3000]",
            "⟦ bank card 1 ⟧",
        ),
        *(r"[BANK\_CARD\_1]", "【ＢＡＮＫ＿ＣＡＲＤ＿１】", "[BANK_CARD-1]"),
    ],
)
def test_a_placeholder_that_a_model_spells_in_another_way_is_put_back(spelt):
    unmasker = Unmasker(Vault.of({"⟦BANK_CARD_1⟧": "4111"}))
    assert unmasker.feed(f"a{spelt}b", end=True) == "a4111b"
    assert not unmasker.unknown


@pytest.mark.parametrize(
    "text",
    [
        *("BANK_CARD_1", "(BANK_CARD_1)", "[BANK_CARD_1", "[BANK_CARD_1>", "[[BANK_CARD_1]", "[BANKCARD_1]"),
        *(
            "[   BANK_CARD_1]",
            "[BANK__CARD_1]",
            "[BANK_CARD_01]",
            "[BANK_CARD_]",
            "[CARD_1]",
            "[BANK_CARD_1.]",
            "[BANK",
        ),
        *("[BANK_CARD_9999999999999999999]", "[BANK_CARD_1]]"[:11] + "\\"),
    ],
)
def test_nothing_else_is_one(text):
    unmasker = Unmasker(Vault.of({"⟦BANK_CARD_1⟧": "4111"}))
    assert unmasker.feed(text, end=True) == text.replace("[BANK_CARD_1]", "4111")
    assert not unmasker.unknown


def test_what_looks_like_a_placeholder_and_stands_for_nothing_is_counted():
    unmasker = Unmasker(Vault.of({"⟦PERSON_1⟧": "张三"}))
    assert (
        unmasker.feed("[person 1] [Person 2] ⟦PERSON_2⟧ <PHONE_1>", end=True) == "张三 [Person 2] ⟦PERSON_2⟧ <PHONE_1>"
    )
    assert unmasker.unknown == {"⟦PERSON_2⟧": 2, "⟦PHONE_1⟧": 1}


@pytest.mark.parametrize("own", ["[PERSON_1]", "【person 1】", "<<Person-1>>", "⟦PERSON_1⟧"])
def test_what_the_user_wrote_himself_stands_for_nothing(own):
    """Else a text could ask for the values of another one in the same request."""
    masker, vault = Masker(), Vault()
    masked = masker.mask_all([f"{own}是谁？", "我叫王小明，电话13812345678"], vault)
    unmasker = Unmasker(vault)
    assert unmasker.feed(masked[0].text, end=True) == f"{own}是谁？"
    assert unmasker.feed(masked[1].text + " <person_2>", end=True).startswith("我叫王小明，电话13812345678")
    later = masker.mask(f"{own} [phone 1]", vault)
    assert unmasker.feed(later.text, end=True) != "王小明 13812345678"
    assert Unmasker(vault).feed(later.text, end=True) == f"{own} [phone 1]"
    assert not Unmasker(vault).unknown


def test_an_unmasker_begins_anew_after_the_end():
    unmasker = Unmasker(Vault.of(PAIRS))
    assert unmasker.feed("⟦PERSON_", end=True) == "⟦PERSON_"
    assert unmasker.feed("1⟧", end=True) == "1⟧"


def test_without_tokens_everything_passes():
    assert Unmasker(Vault()).feed("⟦PERSON_1⟧ ⟦", end=True) == "⟦PERSON_1⟧ ⟦"


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[P",
        "[[  ",
        "[PERSON_9]",
        "<person ",
        "⟦",
        "⟦PERSON_1",
        "⟦PERSON_1⟧",
        "1",
        "王小",
        "\\",
        "\\u27e6",
        "\\ud842",
    ],
)
def test_time_grows_with_the_text_and_no_faster(text):
    vault = Vault.of({f"⟦PERSON_{n}⟧": "v" for n in range(1, 1000)} | PAIRS)

    def seconds(size: int) -> float:
        unmasker, whole = Unmasker(vault, json=True), text * (size // len(text))
        gc.disable()  # what else is on pytest's heap is no part of it
        began = time.process_time()
        unmasker.feed(whole, end=True)
        took = time.process_time() - began
        gc.enable()
        return took

    assert seconds(200_000) < 20 * max(seconds(20_000), 0.002)


def test_a_stream_of_single_characters_costs_no_more_than_its_length():
    unmasker = Unmasker(Vault.of(PAIRS), json=True)
    began = time.process_time()
    for character in "⟦PERSON_1⟧ and \\u27e6PERSON" * 1000:
        unmasker.feed(character)
    assert time.process_time() - began < 2
