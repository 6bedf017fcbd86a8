"""The key of the user's vaults."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from fathom.errors import FathomError
from fathom.guard.keyfile import key_path, vault_key


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("FATHOM_VAULT_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_environment_comes_first(monkeypatch):
    monkeypatch.setenv("FATHOM_VAULT_KEY", "0a" * 32)
    assert vault_key() == (b"\n" * 32, False)
    assert not key_path().exists()


def test_the_file_is_made_once_for_the_owner_alone():
    key, made = vault_key()
    assert (len(key), made, vault_key()) == (32, True, (key, False))
    assert stat.S_IMODE(key_path().stat().st_mode) == 0o600
    assert [path.name for path in key_path().parent.iterdir()] == ["vault.key"]


def test_of_many_at_once_all_get_the_same_key():
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: vault_key(), range(16)))
    assert len({key for key, _ in keys}) == 1
    assert sum(made for _, made in keys) == 1


@pytest.mark.parametrize("written", ["secret", "0a" * 31, "0g" * 32, "é" * 64])
def test_a_key_that_is_none_is_refused_and_not_shown(monkeypatch, written):
    monkeypatch.setenv("FATHOM_VAULT_KEY", written)
    with pytest.raises(FathomError, match="64 hexadecimal") as error:
        vault_key()
    assert written not in str(error.value)


def test_a_file_that_holds_no_key_is_named():
    key_path().parent.mkdir(parents=True)
    key_path().write_bytes(b"\xff\x00")
    with pytest.raises(FathomError, match=r"vault\.key"):
        vault_key()
