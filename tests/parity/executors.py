"""The two executors behind one function: logits of a checkpoint for a batch of prompts, in any chunks and form."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from fathom.engine.runner import NativeModel
from fathom.model.program import build_program
from fathom.reference import LatentCache, load_model
from fathom.weights.checkpoint import open_checkpoint
from fathom.weights.load import load_weights

torch.set_num_threads(1)  # on matrices this small threads only wait for one another

#: (checkpoint, tokens (B, T), first positions of the chunks after the first, attention form) -> (B, T, V)
Executor = Callable[[Path, np.ndarray, tuple[int, ...], str], np.ndarray]


def reference(folder: Path, tokens: np.ndarray, cuts: tuple[int, ...] = (), form: str = "expanded") -> np.ndarray:
    model, cache = _torch_model(folder), LatentCache()
    with torch.inference_mode():
        parts = [model(torch.from_numpy(tokens[:, a:b]), cache=cache, form=form) for a, b in _spans(tokens, cuts)]
    return torch.cat(parts, dim=1).numpy()


def native(folder: Path, tokens: np.ndarray, cuts: tuple[int, ...] = (), form: str = "auto") -> np.ndarray:
    model, rows = _native_model(folder), []
    for prompt in tokens:
        cache = model.new_cache()
        parts = [model.forward(prompt[a:b], cache, logits="all", form=form) for a, b in _spans(tokens, cuts)]
        rows.append(np.concatenate(parts))
    return np.stack(rows)


_torch_model = lru_cache(4)(load_model)


@lru_cache(4)
def _native_model(folder: Path) -> NativeModel:
    checkpoint = open_checkpoint(folder)
    program = build_program(checkpoint.config)
    return NativeModel(program, load_weights(checkpoint, program, "float32"), cache_dtype="float32", threads=1)


def _spans(tokens: np.ndarray, cuts: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise((0, *cuts, tokens.shape[1])))


EXECUTORS: dict[str, Executor] = {"reference": reference, "native": native}
