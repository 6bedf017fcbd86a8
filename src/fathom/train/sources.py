"""The token sets of a recipe: those of a folder, and a user's own conversations as one more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..config import ModelConfig
from ..data.encode import ROLES, Encoder, Messages
from ..data.readers import read
from ..data.tokens import TokenSet, load_sets, write_set
from ..errors import Both, FathomError
from .recipe import Recipe

__all__ = ["OWN", "open_sets"]

OWN = "files"  # the set of ``data.files``


def open_sets(recipe: Recipe, folder: Path) -> dict[str, TokenSet]:
    """Sets by name. Conversations are tokenised anew at each start into ``folder``, so a changed file is noticed.

    What a run could only stumble over later is an error here: rows longer than the model's context, a set to be looked
    at that isn't there.
    """
    config = ModelConfig.load(Path(recipe.model.folder))
    _check_lengths(recipe, config)
    sets = load_sets(recipe.data.root) if recipe.data.root else {}
    if recipe.data.files:
        source = Path(recipe.model.folder)
        encoder = Encoder(source)
        found = (messages for path in recipe.data.files for messages in conversations(Path(path)))
        sets[OWN] = write_set(
            folder / OWN, OWN, encoder.conversations(found), vocabulary=config.vocab_size, tokenizer=encoder.hash
        )
    _check_heldout(recipe, sets)
    return sets


def conversations(path: Path) -> Iterator[Messages]:
    """Lines ``{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}]}``, an answer in each."""
    for number, record in enumerate(read(path), 1):
        messages: Any = record.get("messages")
        good = isinstance(messages, list) and all(
            isinstance(m, dict) and m.get("role") in ROLES and isinstance(m.get("content"), str) for m in messages
        )
        if not good or not any(m["role"] == "assistant" and m["content"] for m in messages):
            form = '{"messages": [...]}'
            problem = Both(
                f"record {number}: expected {form} of role and content, with an answer",
                f"第 {number} 条：应为 {form}，每条消息有 role 和 content，且有回答",
            )
            raise FathomError("data_invalid", source=path, problem=problem)
        if any(m["role"] == "system" for m in messages[1:]):  # which templates move or refuse
            problem = Both(
                f"record {number}: a system message stands first or not at all",
                f"第 {number} 条：system 消息只能放在最前面",
            )
            raise FathomError("data_invalid", source=path, problem=problem)
        yield messages


def _check_lengths(recipe: Recipe, config: ModelConfig) -> None:
    most = config.max_position_embeddings
    lengths = {f"phase.{i}.length": phase.length for i, phase in enumerate(recipe.phase)}
    for key, length in (lengths | {"check.length": recipe.check.length}).items():
        if length > most:
            problem = Both(
                f"{length} is more than {most}, the model's context", f"{length} 超过模型的上下文长度 {most}"
            )
            raise FathomError("recipe_invalid", path="recipe", key=key, problem=problem)


def _check_heldout(recipe: Recipe, sets: Mapping[str, TokenSet]) -> None:
    for name in recipe.check.heldout:
        known = ", ".join(sets)
        problem = Both(f"no set {name!r}; known: {known}", f"没有集 {name!r}；可用：{known}")
        if name in sets and not sets[name].meta["bytes"]:
            problem = Both(
                f"the set {name!r} does not tell the bytes of its text; sets held out by `fathom data build` do",
                f"集 {name!r} 没有记录文本的字节数；`fathom data build` 留出的集才有",
            )
        elif name in sets:
            continue
        raise FathomError("recipe_invalid", path="recipe", key="check.heldout", problem=problem)
