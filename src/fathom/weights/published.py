"""Shapes of published models by name, from ``assets/published.toml``: for dummy weights and for `fathom doctor`."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

from fathom.assets import ASSETS
from fathom.config import ModelConfig
from fathom.errors import FathomError

__all__ = ["known_config", "published_config", "published_models"]


@cache
def published_models() -> dict[str, dict[str, Any]]:
    """The content of config.json by name of the model."""
    data = tomllib.loads((ASSETS / "published.toml").read_text("utf-8"))
    return {name: _fields(name, data["families"] | data["models"]) for name in data["models"]}


def _fields(name: str, tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A table with those it is like, and its nulls."""
    own = dict(tables[name])
    like, nulls = own.pop("like", None), own.pop("null", ())
    return (_fields(like, tables) if like else {}) | own | dict.fromkeys(nulls)


def published_config(name: str) -> ModelConfig | None:
    """The configuration of a published model, or None; upper and lower case are the same."""
    for known, raw in published_models().items():
        if known.lower() == name.lower():
            return ModelConfig.from_dict(raw)
    return None


def known_config(name: str) -> ModelConfig:
    """The same where the name must be one of them."""
    if (config := published_config(name)) is None:
        raise FathomError("choice_unknown", what="published shape", found=name, known=", ".join(published_models()))
    return config
