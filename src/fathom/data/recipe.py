"""Recipes of training data: one TOML file says what goes in, from where, in which form, and under which licence.

Paths in a recipe are relative to folders given at the call, so a recipe holds on every machine. An unknown key is an
error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from fathom.errors import FathomError
from fathom.files import errors_of

from .forms import FORMS

__all__ = ["Recipe", "Source"]

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """``[[source]]``: files of one origin, in one form; several may go into one set."""

    set: str
    files: tuple[str, ...]  # patterns; a pattern without a file is an error
    licence: str
    origin: str
    form: str = "text"
    language: str = ""  # zh, en; empty: both
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)  # field -> the values that are taken
    keep: float = 1.0  # part of the documents, chosen by hash
    least: int = 80  # characters of a text
    near: float = 0.0  # Jaccard index from which documents are near duplicates; 0: only exact ones
    strict: bool = False  # leave out conversations with an answer in the other language
    held_out: int = 0  # documents kept from training, in the set named ``held_set``
    held_set: str = ""

    @property
    def is_conversation(self) -> bool:
        return self.form != "text"


@dataclass(frozen=True)
class Recipe:
    """``name``, ``seed``, ``against`` (files of evaluation material) and the sources."""

    name: str
    source: tuple[Source, ...]
    seed: int = 0
    against: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Recipe:
        with errors_of(path):
            text = path.read_bytes()
        try:
            table = tomllib.loads(text.decode())
        except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
            raise FathomError("file_malformed", path=path, format="TOML", problem=str(error)) from None
        sources = table.get("source")
        if not isinstance(sources, list) or not sources:
            raise FathomError("recipe_invalid", path=path, key="source", problem="[[source]] tables expected")
        made = tuple(_checked(path, f"source {i}", _table(Source, s, path)) for i, s in enumerate(sources, 1))
        recipe = _table(cls, {**table, "source": made}, path)
        for name, sources in recipe.sets().items():
            if len({source.is_conversation for source in sources}) > 1:
                raise FathomError("recipe_invalid", path=path, key=name, problem="texts and conversations in one set")
            if any(source.held_set == name for source in made):
                raise FathomError("recipe_invalid", path=path, key=name, problem="held out and trained on")
        return recipe

    def sets(self) -> dict[str, list[Source]]:
        """The sources by the set they go into, in the order of the recipe."""
        found: dict[str, list[Source]] = {}
        for source in self.source:
            found.setdefault(source.set, []).append(source)
        return found


def _table(of: type[T], table: Any, path: Path) -> T:
    if not isinstance(table, dict):
        raise FathomError("recipe_invalid", path=path, key="source", problem="[[source]] tables expected")
    known = {f.name: f for f in fields(of)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.0)
            raise FathomError("recipe_invalid", path=path, key=key, problem=f"unknown key; nearest: {near[0]}")
    values = {key: _frozen(value) for key, value in table.items()}
    for key, value in values.items():
        wanted = str(known[key].type).split("[")[0]
        if not isinstance(value, _TYPES[wanted]) or isinstance(value, bool) != (wanted == "bool"):
            raise FathomError("recipe_invalid", path=path, key=key, problem=f"{wanted} expected, found {value!r}")
        lists = value.values() if isinstance(value, dict) else [value] if key in ("files", "against") else []
        if not all(isinstance(texts, tuple) and all(isinstance(text, str) for text in texts) for texts in lists):
            raise FathomError("recipe_invalid", path=path, key=key, problem=f"lists of texts expected, found {value!r}")
    try:
        return of(**values)
    except TypeError as error:
        raise FathomError("recipe_invalid", path=path, key=of.__name__.lower(), problem=str(error)) from None


_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "tuple": tuple,
    "Mapping": dict,
}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return {key: _frozen(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _checked(path: Path, key: str, source: Source) -> Source:
    problem = ""
    if source.form not in FORMS:
        problem = f"form {source.form!r}: one of {', '.join(FORMS)} expected"
    elif not source.files or not source.set.isidentifier():
        problem = "a set needs files, and a name of letters, digits and _"
    elif source.language not in ("", "zh", "en"):
        problem = f"language {source.language!r}: zh, en or none expected"
    elif not (0 < source.keep <= 1 and 0 <= source.near <= 1 and source.held_out >= 0):
        problem = "keep and near are parts of 1, held_out a count"
    elif bool(source.held_out) != bool(source.held_set):
        problem = "held_out and held_set go together"
    elif source.held_set and not source.held_set.isidentifier():
        problem = f"held_set {source.held_set!r}: a name of letters, digits and _ expected"
    if problem:
        raise FathomError("recipe_invalid", path=path, key=key, problem=problem)
    return source
