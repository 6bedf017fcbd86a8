"""Masked texts, and that nothing is lost: unmask(mask(x)) == x for every string."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.guard import Masker, Vault

WORDS = {
    "张三": "PERSON",
    "张三丰": "PERSON",
    "Ann Lee": "PERSON",
    "⟦PERSON_1⟧": "CUSTOM",
    "⟦": "CUSTOM",
    "a\ud800": "CUSTOM",
}
PIECES = [
    *WORDS,
    "⟧",
    "PERSON",
    "[PERSON_1]",
    "【person 2】",
    "{{phone-1}}",
    "[",
    "]",
    "_1",
    "LITERAL",
    "zhang@example.org",
    "13812345678",
    "192.168.1.10",
    "李",
    " ",
    "\n",
    '{"a":',
    "\udfff",
    "𠮷",
]
HOSTILE = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join), st.text("⟦⟧PERSON_1张三丰13812345678@."))
PLAIN = Masker(dictionary=WORDS)


@given(HOSTILE)
def test_what_is_masked_comes_back(text):
    masked = PLAIN.mask(text)
    assert PLAIN.unmask(masked.text, masked.vault) == text


@given(st.lists(HOSTILE, max_size=4), HOSTILE)
def test_texts_of_one_vault_come_back_also_after_later_ones(texts, later):
    vault = Vault()
    masked = PLAIN.mask_all(texts, vault)
    last = PLAIN.mask(later, vault)
    assert [PLAIN.unmask(one.text, vault) for one in masked] == texts
    assert PLAIN.unmask(last.text, vault) == later


@given(HOSTILE)
def test_masked_again_the_text_is_the_same(text):
    assert PLAIN.mask(text).text == PLAIN.mask(text).text


def test_placeholders_are_typed_and_numbered_in_order_of_appearance():
    masked = PLAIN.mask("张三的邮箱是zhang@example.org，电话13812345678；再问张三。")
    assert masked.text == "⟦PERSON_1⟧的邮箱是⟦EMAIL_1⟧，电话⟦PHONE_1⟧；再问⟦PERSON_1⟧。"
    assert [(span.start, span.end, span.type) for span in masked.entities][:2] == [(0, 2, "PERSON"), (6, 23, "EMAIL")]


def test_brackets_of_the_users_own_are_no_tokens():
    masked = PLAIN.mask("写⟧PERSON_1⟧ 或 [⟦ 张三")
    assert PLAIN.unmask("⟦PERSON_1⟧", masked.vault) == "张三"


def test_a_placeholder_that_the_text_spells_itself_stays_and_is_given_to_no_value():
    masked = PLAIN.mask("[Person 1]: 张三？ <PERSON_2>：Ann Lee！[张三] [[张三]]")
    assert masked.text == "[Person 1]: ⟦PERSON_3⟧？ <PERSON_2>：⟦PERSON_4⟧！[⟦PERSON_3⟧] [[⟦PERSON_3⟧]]"
    assert PLAIN.unmask(masked.text, masked.vault) == "[Person 1]: 张三？ <PERSON_2>：Ann Lee！[张三] [[张三]]"
    assert PLAIN.mask("[person-3]", masked.vault).text == "⟦LITERAL_1⟧"


def test_a_value_found_once_is_masked_in_every_text_of_the_call():
    masked = Masker().mask_all(["邮箱 wang@example.com", "xwang@example.com1 (wang@example.com)"])
    assert masked[0].text == "邮箱 ⟦EMAIL_1⟧"
    assert "(⟦EMAIL_1⟧)" in masked[1].text


def test_a_value_of_the_vault_is_masked_where_no_context_gives_it_away():
    vault = Vault()
    vault.token("PERSON", "欧阳若兰")
    vault.token("MEDICAL_RECORD", "77812")
    masked = Masker().mask("若兰，欧阳若兰：77812，不是778123 或 a77812", vault)
    assert masked.text == "若兰，⟦PERSON_1⟧：⟦MEDICAL_RECORD_1⟧，不是778123 或 a77812"
    assert masked.entities[1].score == 1.0


def test_nothing_printed_shows_the_text():
    masked = PLAIN.mask("张三 13812345678")
    assert repr(masked) == "Masked(20 characters, 2 entities, Vault(2 pairs))"


def test_the_empty_text_stays_empty():
    masked = Masker().mask("")
    assert (masked.text, masked.entities, len(masked.vault)) == ("", [], 0)


@pytest.mark.parametrize("operator", ["mask", {"PERSON": "no"}, {"HUMAN": "redact"}])
def test_unknown_operators_and_types_are_refused(operator):
    with pytest.raises(FathomError) as error:
        Masker(operator=operator)
    assert error.value.code == "choice_unknown"


def test_threads_share_a_masker_and_no_vault():
    text, results = "张三 zhang@example.org 13812345678", []

    def work() -> None:
        for _ in range(50):
            results.append(PLAIN.mask(text).text)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {"⟦PERSON_1⟧ ⟦EMAIL_1⟧ ⟦PHONE_1⟧"}
    assert len(results) == 400


def fed(text: str, pieces: list[int], masker: Masker, vault: Vault) -> tuple[str, list]:
    masking, out, entities, done = masker.stream(vault), [], [], 0
    masking.WINDOW = 512
    for size in pieces:
        masked = masking.feed(text[done : done + size])
        out.append(masked.text)
        entities += masked.entities
        done += size
    last = masking.feed(text[done:], end=True)
    return "".join([*out, last.text]), [*entities, *last.entities]


@pytest.mark.parametrize("gap", ["\n", "，", "x" * 300 + " "])
def test_a_text_in_pieces_is_masked_as_the_whole(gap):
    rng = random.Random(len(gap))
    words = [
        "电话13812345678",
        "张三",
        "zhang@example.org",
        "卡号4111 1111 1111 1111",
        "今天天气不错",
        "⟦PERSON_1⟧",
        "k" * 3000,
    ]
    text = gap.join(rng.choices(words, weights=[9, 9, 9, 9, 9, 9, 1], k=3000))
    whole = PLAIN.mask(text)
    vault = Vault()
    masked, entities = fed(text, [rng.randrange(2000) for _ in range(60)], PLAIN, vault)
    assert masked == whole.text
    assert [(e.start, e.end, e.type) for e in entities] == [(e.start, e.end, e.type) for e in whole.entities]


@given(HOSTILE, st.lists(st.integers(0, 9), max_size=5))
def test_any_text_in_pieces_comes_back(text, pieces):
    vault = Vault()
    masked, _ = fed(text, pieces, PLAIN, vault)
    assert PLAIN.unmask(masked, vault) == text
