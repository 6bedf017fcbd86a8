"""The store: names find models, only models of the family are listed, nothing outside is ever removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from fathom.assets import ASSETS
from fathom.errors import FathomError
from fathom.hub import store
from fathom.hub.store import list_models, location, remove, resolve


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FATHOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def put(folder: Path, model_type: str = "deepseek_v2", weights: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / weights).write_bytes(b"x" * 100)
    return folder


def put_in_cache(root: Path, repo: str, **kind) -> Path:
    base = root / "hub" / f"models--{repo.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text("abc")
    return put(base / "snapshots" / "abc", **kind)


def names(source: str) -> list[str]:
    return [model.name for model in list_models() if model.source == source]


def test_home_follows_the_environment(monkeypatch) -> None:
    assert store.home().name == "models"
    monkeypatch.delenv("FATHOM_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store.home() == Path("/data/fathom/models")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert store.home() == Path.home() / ".local/share/fathom/models"


def test_paths_store_names_and_cached_repositories_are_found(places) -> None:
    folder = put(places / "models" / "owner" / "name")
    cached = put_in_cache(places, "other/model")
    assert resolve(str(places)) == places
    assert resolve("owner/name") == folder
    assert resolve("name") == folder
    assert resolve("other/model") == cached
    assert resolve("model") == cached


def test_the_shipped_model_is_found_from_anywhere_and_listed_first(places, monkeypatch) -> None:
    if not (ASSETS / "mini").is_dir():
        pytest.skip("no shipped model in this checkout")
    (places / "mini").mkdir()
    monkeypatch.chdir(places)
    assert resolve("mini") == ASSETS / "mini"
    assert (list_models()[0].name, list_models()[0].source) == ("mini", "shipped")


def test_a_short_name_that_two_owners_use_is_not_guessed(places) -> None:
    put(places / "models" / "a" / "name")
    put(places / "models" / "b" / "name")
    with pytest.raises(FathomError, match="no model 'name'"):
        resolve("name")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing",
        "n" * 5000,
        "owner",
        "owner/begun",
        "../models",
        "a/../../b",
        "/nowhere",
        "a//b",
        ".hidden",
        "a/b/c",
        "a:../b",
    ],
)
def test_what_is_not_there_or_no_name_is_not_found(places, name) -> None:
    put(places / "models" / "owner" / "name")
    begun = put(places / "models" / "owner" / "begun")
    (begun / "config.json").unlink()
    with pytest.raises(FathomError) as info:
        resolve(name)
    assert info.value.code == "model_not_found"


@pytest.mark.parametrize("name", ["..", "../x", "a/..", "/etc", "a:..", "a/b:../c", ""])
def test_no_name_has_a_location_outside_the_store(name) -> None:
    with pytest.raises(FathomError):
        location(name)


def test_list_tells_format_size_and_source(places) -> None:
    put(places / "models" / "owner" / "name")
    put_in_cache(places, "other/bert", model_type="bert")
    put_in_cache(places, "other/lite", model_type="deepseek_v3")
    (row,) = [model for model in list_models() if model.source == "store"]
    assert (row.name, row.format, row.nbytes > 100) == ("owner/name", "safetensors", True)
    assert names("huggingface") == ["other/lite"]


def test_each_gguf_of_a_folder_is_a_model_and_a_split_one_counts_once(places) -> None:
    folder = places / "models" / "owner" / "name"
    folder.mkdir(parents=True)
    for index in (1, 2):
        (folder / f"m-0000{index}-of-00002.gguf").write_bytes(b"x" * 10)
    assert [(m.name, m.nbytes) for m in list_models() if m.source == "store"] == [("owner/name", 20)]
    (folder / "q8.gguf").write_bytes(b"x")
    assert names("store") == ["owner/name:m-00001-of-00002.gguf", "owner/name:q8.gguf"]
    for several in ("owner/name", str(folder)):
        with pytest.raises(FathomError, match=r"name one of them: m-00001-of-00002.gguf, q8.gguf"):
            resolve(several)
    assert resolve("owner/name:q8.gguf") == folder / "q8.gguf"


def test_remove_deletes_a_model_and_nothing_else(places) -> None:
    first, second = put(places / "models" / "a" / "x"), put(places / "models" / "a" / "y")
    assert remove("a/x") == first
    assert not first.exists()
    assert second.exists()
    remove("a/y")
    assert list((places / "models").iterdir()) == []


def test_remove_of_one_gguf_takes_all_its_parts(places) -> None:
    folder = places / "models" / "owner" / "name"
    folder.mkdir(parents=True)
    for name in ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "q8.gguf"):
        (folder / name).write_bytes(b"x")
    remove("owner/name:m-00001-of-00002.gguf")
    assert [file.name for file in folder.iterdir()] == ["q8.gguf"]


def test_remove_of_a_download_that_never_ended(places) -> None:
    folder = places / "models" / "owner" / "name"
    folder.mkdir(parents=True)
    (folder / ".model.safetensors.abc.incomplete").write_bytes(b"x")
    remove("owner/name")
    assert not folder.exists()


@pytest.mark.parametrize("name", ["mini", "other/model", "..", "owner", "../precious", "/precious"])
def test_remove_refuses_what_is_not_a_model_of_the_store(places, name) -> None:
    put_in_cache(places, "other/model")
    put(places / "models" / "owner" / "name")
    precious = put(places / "precious")
    with pytest.raises(FathomError) as info:
        remove(name)
    assert info.value.code in ("model_protected", "model_not_found")
    with pytest.raises(FathomError, match="not in the store"):
        remove(str(precious))
    assert precious.exists()
    assert names("store") == ["owner/name"]


def test_remove_does_not_follow_a_link_out_of_the_store(places) -> None:
    precious = put(places / "precious")
    (places / "models").mkdir()
    (places / "models" / "link").symlink_to(precious)
    with pytest.raises(FathomError, match="link leads out"):
        remove("link")
    assert (precious / "model.safetensors").exists()
