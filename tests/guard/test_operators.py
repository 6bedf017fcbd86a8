"""What can't be undone: partial, hash, redact."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.guard import Masker
from fathom.guard.entities import ENTITIES
from fathom.guard.operators import irreversible

KEY = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("type", "value", "left"),
    [
        ("PHONE", "13812345678", "138****5678"),
        ("PHONE", "+86 138-1234-5678", "+86 1**-****-5678"),
        ("PHONE", "12345", "1****"),
        ("PERSON", "张三", "张*"),
        ("PERSON", "欧阳若兰", "欧***"),
        ("PERSON", "Ann Lee", "A** L**"),
        ("PERSON", "李", "*"),
        ("EMAIL", "zhang@example.com", "z****@example.com"),
        ("EMAIL", "z@example.com", "*@example.com"),
        ("CN_ID", "11010519491231002X", "11**************2X"),
        ("BANK_CARD", "6222 0212 3456 7890", "**** **** **** 7890"),
        ("SECRET", "sk-abcdef", "**-******"),
        ("PASSPORT", "E12345678", "E********"),
        ("ACCOUNT", "ab1", "***"),
        ("CUSTOM", "⟦X_1⟧", "**_**"),
    ],
)
def test_partial_leaves_the_ends(type, value, left):
    assert irreversible("partial", type, value, b"") == left


@given(st.sampled_from([*ENTITIES]), st.text(min_size=1))
def test_partial_never_shows_more_than_two_thirds_nor_a_bracket(type, value):
    left = irreversible("partial", type, value, b"")
    letters = sum(map(str.isalnum, value))
    if type not in ("EMAIL", "PERSON"):
        assert sum(map(str.isalnum, left)) <= letters * 2 // 3
    assert "⟦" not in left or type == "EMAIL"


def test_hash_is_hmac_of_type_and_value():
    digest = hmac.new(KEY, "PERSON\0张三".encode(), "sha256").hexdigest()
    assert irreversible("hash", "PERSON", "张三", KEY) == f"[PERSON:{digest[:12]}]"
    assert irreversible("hash", "PERSON", "\ud800", KEY) != irreversible("hash", "PERSON", "\ud801", KEY)


def test_each_type_may_have_its_own_operator():
    masker = Masker(
        operator={"PHONE": "partial", "EMAIL": "hash", "IP": "redact"}, dictionary={"张三": "PERSON"}, key=KEY
    )
    masked = masker.mask("张三 13812345678 a@example.org 10.0.0.1")
    assert masked.text.startswith("⟦PERSON_1⟧ 138****5678 [EMAIL:")
    assert masked.text.endswith("] [IP]")
    assert masked.vault.tokens() == {"⟦PERSON_1⟧": "张三"}
    assert not masker.is_reversible


def test_what_cant_be_undone_leaves_the_vault_and_the_users_brackets_alone():
    masked = Masker(operator="redact").mask("⟦PERSON_1⟧ a@example.org ⟦")
    assert (masked.text, len(masked.vault)) == ("⟦PERSON_1⟧ [EMAIL] ⟦", 0)


@pytest.mark.parametrize("key", [None, b"", b"short"])
def test_hash_without_a_key_is_refused(key):
    with pytest.raises(FathomError, match="needs a key"):
        Masker(operator={"PHONE": "hash"}, key=key)
