"""The token sets of a recipe: those of a folder, and a user's own conversations as one more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..config import ModelConfig
from ..data.encode import ROLES, Encoder, Messages
from ..data.readers import read
from ..data.tokens import TokenSet, load_sets, write_set
from ..errors import FathomError
from .recipe import Recipe

__all__ = ["OWN", "open_sets"]

OWN = "files"  # the set of ``data.files``


def open_sets(recipe: Recipe, folder: Path) -> dict[str, TokenSet]:
    """Sets by name. Conversations are tokenised anew at each start into ``folder``, so a changed file is noticed."""
    sets = load_sets(recipe.data.root) if recipe.data.root else {}
    if recipe.data.files:
        source = Path(recipe.model.folder)
        encoder = Encoder(source)
        found = (messages for path in recipe.data.files for messages in conversations(Path(path)))
        size = ModelConfig.load(source).vocab_size
        sets[OWN] = write_set(folder / OWN, OWN, encoder.conversations(found), vocabulary=size, tokenizer=encoder.hash)
    return sets


def conversations(path: Path) -> Iterator[Messages]:
    """Lines ``{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}]}``, an answer in each."""
    for number, record in enumerate(read(path), 1):
        messages: Any = record.get("messages")
        good = isinstance(messages, list) and all(
            isinstance(m, dict) and m.get("role") in ROLES and isinstance(m.get("content"), str) for m in messages
        )
        if not good or not any(m["role"] == "assistant" and m["content"] for m in messages):
            problem = f'record {number}: expected {{"messages": [...]}} of role and content, with an answer'
            raise FathomError("data_invalid", source=path, problem=problem)
        yield messages
