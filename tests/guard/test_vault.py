"""The pairs of token and value, in memory and sealed on disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import FathomError
from fathom.guard.vault import Vault

KEY = bytes(range(32))


def test_tokens_are_numbered_by_type_in_order_of_appearance():
    vault = Vault()
    wanted = [("PERSON", "张三"), ("PHONE", "13800138000"), ("PERSON", "李四"), ("PERSON", "张三")]
    tokens = [vault.token(type, value) for type, value in wanted]
    assert tokens == ["⟦PERSON_1⟧", "⟦PHONE_1⟧", "⟦PERSON_2⟧", "⟦PERSON_1⟧"]
    assert [vault.value(token) for token in tokens] == [value for _, value in wanted]
    assert vault.value("⟦PERSON_3⟧") is None
    assert list(vault.tokens()) == ["⟦PERSON_1⟧", "⟦PHONE_1⟧", "⟦PERSON_2⟧"]


def test_a_token_stands_for_one_value():
    vault = Vault()
    vault.keep("PHONE", "13800138000", "13900000001")
    with pytest.raises(FathomError):
        vault.keep("PHONE", "13800138001", "13900000001")
    with pytest.raises(FathomError):
        vault.keep("PHONE", "13800138001", "")
    with pytest.raises(FathomError):
        vault.keep("PHONE", "13800138001", "1" * 65)


def test_new_tokens_go_on_after_those_from_elsewhere():
    vault = Vault.of({"⟦PERSON_7⟧": "张三", "王五": "李四"})
    assert vault.token("PERSON", "张三") == "⟦PERSON_7⟧"
    assert vault.token("PERSON", "赵六") == "⟦PERSON_8⟧"
    assert vault.surrogate("CUSTOM", "李四") == "王五"
    assert vault.token("CUSTOM", "李四") == "⟦CUSTOM_1⟧"


def test_threads_get_one_token_a_value():
    vault, seen = Vault(), set()

    def work() -> None:
        for number in range(500):
            seen.add((number, vault.token("PHONE", str(number))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(vault) == 500


def test_nothing_printed_shows_a_value():
    vault = Vault.of({"⟦PERSON_1⟧": "张三丰"})
    texts = [repr(vault), str(vault), f"{vault}"]
    try:
        vault.keep("PERSON", "李四光", "⟦PERSON_1⟧")
    except FathomError as error:
        texts += [str(error), "".join(traceback.format_exception(error))]
    assert texts[0] == "Vault(1 pairs)"
    assert not any(name in text for text in texts for name in ("张三丰", "李四光⟧"))


def test_a_cleared_vault_is_empty():
    vault = Vault.of({"⟦PERSON_1⟧": "张三"})
    vault.clear()
    assert (len(vault), vault.value("⟦PERSON_1⟧"), vault.token("PERSON", "李四")) == (0, None, "⟦PERSON_1⟧")


@given(st.dictionaries(st.text(min_size=1, max_size=64), st.text(st.characters()), max_size=5))
def test_what_is_saved_comes_back(tmp_path_factory, pairs):
    path = tmp_path_factory.getbasetemp() / "any.vault"
    vault = Vault.of(pairs)
    vault.save(path, KEY)
    again = Vault.load(path, KEY)
    assert again.tokens() == vault.tokens()
    assert [again.surrogate("CUSTOM", value) for value in pairs.values()] == [
        vault.surrogate("CUSTOM", value) for value in pairs.values()
    ]


def test_the_file_is_sealed_and_the_owners_alone(tmp_path):
    path = tmp_path / "a.vault"
    Vault.of({"⟦PERSON_1⟧": "Zhang San", "⟦PERSON_2⟧": "\ud800"}).save(path, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"Zhang" not in path.read_bytes()
    assert b"PERSON" not in path.read_bytes()
    assert os.listdir(tmp_path) == ["a.vault"]


def test_a_wrong_key_and_every_changed_byte_are_refused(tmp_path):
    path = tmp_path / "a.vault"
    Vault.of({"⟦PERSON_1⟧": "张三"}).save(path, KEY, expires=datetime.now(UTC) + timedelta(days=1))
    data = path.read_bytes()
    with pytest.raises(FathomError, match="not its key"):
        Vault.load(path, bytes(32))
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(FathomError) as error:
            Vault.load(path, KEY)
        assert error.value.code in ("vault_locked", "file_malformed")
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(FathomError):
            Vault.load(path, KEY)


def test_an_expired_vault_says_when(tmp_path):
    path = tmp_path / "a.vault"
    Vault().save(path, KEY, expires=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    with pytest.raises(FathomError, match="2026-01-02T03:04:05") as error:
        Vault.load(path, KEY)
    assert error.value.code == "vault_expired"


@pytest.mark.parametrize("key", [b"", b"short", bytes(33)])
def test_a_key_of_another_length_is_refused(tmp_path, key):
    with pytest.raises(FathomError, match="expected 32"):
        Vault().save(tmp_path / "a.vault", key)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["missing.vault", "."])
def test_no_file_is_a_clear_error(tmp_path, name):
    with pytest.raises(FathomError) as error:
        Vault.load(tmp_path / name, KEY)
    assert error.value.code == "file_unreadable"


def test_a_process_killed_while_saving_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.vault"
    Vault.of({"⟦PERSON_1⟧": "张三"}).save(path, KEY)
    program = (
        "import os, sys; from fathom.guard.vault import Vault\n"
        "os.fchmod = lambda *_: os.kill(os.getpid(), 9)\n"
        f"Vault().save(sys.argv[1], {KEY!r})"
    )
    source = Path(__file__).parents[2] / "src"
    killed = subprocess.run([sys.executable, "-c", program, path], env={**os.environ, "PYTHONPATH": str(source)})
    assert killed.returncode == -9
    assert Vault.load(path, KEY).value("⟦PERSON_1⟧") == "张三"


def test_placeholders_of_the_users_own_text_are_remembered_in_the_file(tmp_path):
    vault = Vault()
    vault.reserve("[person 1] ⟦PERSON_2⟧")
    vault.save(tmp_path / "v", KEY)
    again = Vault.load(tmp_path / "v", KEY)
    assert again.own() == {"⟦PERSON_1⟧"}
    assert (again.token("PERSON", "张三"), len(again)) == ("⟦PERSON_2⟧", 1)
