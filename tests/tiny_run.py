"""A corpus and recipes of a few kilobytes for the training tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import tiny
from fathom.data.tokens import write_set
from fathom.train.loop import Outcome, Trainer
from fathom.train.recipe import load_recipe

LENGTH, ROWS = 32, 4


def write_corpus(folder: Path, *, seed: int = 3, tokenizer: str | None = None) -> Path:
    """Sets ``plain`` (learnt everywhere), ``chat`` (only where its mask says) and ``held``; cycles of few tokens."""
    random = np.random.default_rng(seed)
    name = tokenizer or hashlib.sha256(tiny.spec().encode()).hexdigest()

    def document() -> np.ndarray:
        size, start = int(random.integers(5, 70)), int(random.integers(40))
        return np.array([0, *(20 + (start + np.arange(size) * 3) % 40), 1])

    def answers(ids: np.ndarray) -> np.ndarray:
        return np.arange(len(ids)) > len(ids) // 2

    documents = [document() for _ in range(60)]
    sets = {"plain": documents[:40], "chat": documents[40:55], "held": documents[55:]}
    for label, chosen in sets.items():
        pairs = [(ids, answers(ids) if label == "chat" else None) for ids in chosen]
        size = sum(len(ids) for ids in chosen)
        write_set(folder / label, label, pairs, vocabulary=tiny.VOCAB_SIZE, tokenizer=name, text_bytes=size)
    return folder


def write_recipe(folder: Path, **run: Any) -> Path:
    """A model, a corpus and a recipe beside each other."""
    if not (folder / "model").exists():
        tiny.write_checkpoint(folder / "model")
        write_corpus(folder / "sets")
    settings = {"steps": 6, "micro_tokens": LENGTH * 2, "dtype": "float32", "compile": "off", "log_steps": 2} | run
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    (folder / "r.toml").write_text(
        f"""
[model]
folder = "model"
fresh = true
[data]
root = "sets"
max_repeats = 1000
[[phase]]
until = 0.5
length = {LENGTH}
rows = {ROWS}
shares = {{plain = 0.75, chat = 0.25}}
[[phase]]
length = {LENGTH * 2}
rows = {ROWS // 2}
assistant_only = true
shares = {{plain = 0.5, chat = 0.5}}
[rate]
peak = 0.01
warmup_steps = 2
[run]
{lines}
[check]
heldout = ["held"]
length = 32
prompts = ["the cat"]
sample_tokens = 4
"""
    )
    return folder / "r.toml"


def trainer(recipe: Path, run: str = "run", objective: str = "pretrain", **settings: Any) -> Trainer:
    given = [f"{key}={value}" for key, value in settings.items()]
    return Trainer(load_recipe(recipe, given), recipe.parent / run, objective, lambda _: None)


def run(recipe: Path, name: str = "run", objective: str = "pretrain", **settings: Any) -> Outcome:
    return trainer(recipe, name, objective, **settings).train()
