"""The models on this machine: those that ship with fathom, the store that ``pull`` fills, and the Hugging Face cache.

A model of the store is a folder ``HOME/owner/name`` (its name ``owner/name``) or, where a folder holds several GGUF
files, one of them (``owner/name:FILE``). Only the store is ever written to or removed from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fathom.assets import ASSETS
from fathom.errors import FathomError
from fathom.files import errors_of

__all__ = ["SHARD", "StoredModel", "home", "list_models", "location", "remove", "resolve"]

SHIPPED = ("mini",)
_PART = r"(?!\.)[\w.-]{1,120}"  # does not start with a dot: no way out of the store
_NAME = re.compile(rf"{_PART}(?:/{_PART})?(?::{_PART})?", re.ASCII)
SHARD = re.compile(r"-\d{5}-of-\d{5}\.gguf$")  # ends the name of a part of a split file


@dataclass(frozen=True, slots=True)
class StoredModel:
    name: str  # what ``-m`` takes
    path: Path
    format: str  # safetensors | packed | gguf
    nbytes: int  # on disk
    source: str  # shipped | store | huggingface


def home() -> Path:
    """The folder of the store: FATHOM_MODELS, else below XDG_DATA_HOME."""
    if folder := os.environ.get("FATHOM_MODELS"):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "fathom" / "models"


def location(name: str) -> Path:
    """Where a model of this name belongs in the store; names that would lead out of it are refused."""
    if not _NAME.fullmatch(name):
        raise FathomError("model_not_found", name=name)
    folder, _, file = name.partition(":")
    return home().joinpath(folder, file) if file else home() / folder


def resolve(name: str | Path) -> Path:
    """The folder or file of a model: shipped, a path, in the store, in the Hugging Face cache, in that order."""
    text = str(name)
    if text in SHIPPED and (shipped := ASSETS / text).is_dir():
        return shipped
    if text and _exists(path := Path(text).expanduser()):
        return _only(path, text)
    if _NAME.fullmatch(text):
        for path in (location(text), *_cached(text)):
            if _holds_a_model(path):
                return _only(path, text)
        if len(found := [model.path for model in list_models() if model.name.split("/")[-1] == text]) == 1:
            return found[0]  # the owner may be left out where that is clear
    raise FathomError("model_not_found", name=text)


def _only(path: Path, name: str) -> Path:
    """The path, unless it is a folder of several models: then there is a choice to make."""
    found = list(_models(path, name, "")) if path.is_dir() else []
    if len(found) > 1:
        raise FathomError("model_ambiguous", name=name, known=", ".join(model.path.name for model in found))
    return path


def _holds_a_model(path: Path) -> bool:
    """Not so: the folder of an owner, or of a pull that was interrupted."""
    if not path.is_dir():
        return path.is_file()
    return any(path.glob("*.gguf")) or ((path / "config.json").is_file() and any(path.glob("*.safetensors")))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a path, or not for us to see
        return False


def list_models() -> list[StoredModel]:
    """Every model ``resolve`` would find by name."""
    shipped = (model for name in SHIPPED for model in _models(ASSETS / name, name, "shipped"))
    stored = (model for folder, name in _folders(home()) for model in _models(folder, name, "store"))
    cached = (
        model
        for repo in sorted(_cache().glob("models--*"))
        for snapshot in _cached(repo.name.removeprefix("models--").replace("--", "/"))
        for model in _models(snapshot, repo.name.removeprefix("models--").replace("--", "/"), "huggingface")
    )
    return [*shipped, *stored, *cached]


def remove(name: str) -> Path:
    """Delete a model of the store; anything else is refused."""
    if name in SHIPPED:
        raise FathomError("model_protected", name=name, problem="it ships with fathom")
    known = {model.name: model for model in list_models()}
    model = known.get(name) or next((m for m in known.values() if m.source == "store" and m.path == Path(name)), None)
    if model is None and _NAME.fullmatch(name) and any(location(name).glob(".*.incomplete")):  # a pull that never ended
        model = StoredModel(name, location(name), "", 0, "store")
    if model is None and _exists(Path(name)):
        raise FathomError("model_protected", name=name, problem=f"it is not in the store {home()}")
    if model is None:
        raise FathomError("model_not_found", name=name)
    if model.source != "store":
        raise FathomError("model_protected", name=name, problem=f"it lies in the Hugging Face cache, {model.path}")
    _delete(model.path)
    for folder in (model.path.parent, model.path.parent.parent):  # of the owner, or of the file and of the owner
        if home().resolve() in folder.resolve().parents and not any(folder.iterdir()):
            folder.rmdir()
    return model.path


def _delete(path: Path) -> None:
    if home().resolve() not in path.resolve().parents:
        raise FathomError("model_protected", name=path, problem=f"a link leads out of the store {home()}")
    with errors_of(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            return
        parts = path.parent.glob(SHARD.sub("-*-of-*.gguf", path.name)) if SHARD.search(path.name) else [path]
        for part in parts:
            part.unlink()


def _folders(root: Path) -> Iterator[tuple[Path, str]]:
    """Folders of depth one and two, with the name each has as a model."""
    for first in _subfolders(root):
        yield first, first.name
        for second in _subfolders(first):
            yield second, f"{first.name}/{second.name}"


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _models(folder: Path, name: str, source: str) -> Iterator[StoredModel]:
    """The models a folder holds: one of safetensors, or its GGUF files (a split one counts once)."""
    files = [file for file in sorted(folder.glob("*")) if file.is_file()]
    shards = [file for file in files if file.suffix == ".safetensors"]
    if shards and _is_of_the_family(folder / "config.json"):
        yield StoredModel(name, folder, _format(shards[0]), sum(file.stat().st_size for file in files), source)
        return
    ggufs = [file for file in files if file.suffix == ".gguf"]
    firsts = [file for file in ggufs if not SHARD.search(file.name) or "-00001-of-" in file.name]
    for file in firsts:
        stem = SHARD.sub("", file.name)
        nbytes = sum(part.stat().st_size for part in ggufs if SHARD.sub("", part.name) == stem)
        if len(firsts) == 1:
            yield StoredModel(name, folder, "gguf", nbytes, source)
        else:
            yield StoredModel(f"{name}:{file.name}", file, "gguf", nbytes, source)


def _is_of_the_family(config: Path) -> bool:
    """The Hugging Face cache holds models of all kinds."""
    from fathom.config import MODEL_TYPES

    try:
        return json.loads(config.read_text("utf-8")).get("model_type") in MODEL_TYPES
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _format(shard: Path) -> str:
    from fathom.weights import packed
    from fathom.weights.safetensors import read_header

    try:
        return "packed" if packed.KEY in read_header(shard).metadata else "safetensors"
    except FathomError:
        return "safetensors"


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _cached(name: str) -> Iterator[Path]:
    """The snapshot of a repository in the Hugging Face cache that its main branch points to, or a file of it."""
    folder, _, file = name.partition(":")
    repo = _cache() / f"models--{folder.replace('/', '--')}"
    try:
        snapshot = repo / "snapshots" / (repo / "refs" / "main").read_text("ascii").strip()
    except (OSError, ValueError):
        return
    if snapshot.is_dir():
        yield snapshot / file if file else snapshot
