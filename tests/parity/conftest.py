"""Checkpoints of the random models and their logits, made once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from parity.cases import TRANSFORMERS_WRONG, case
from parity.executors import EXECUTORS
from parity.truth import formulas, transformers_logits


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Case name -> its official checkpoint."""
    root = tmp_path_factory.mktemp("checkpoints")
    return cache(lambda name: case(name).save(root / name))


@pytest.fixture(scope="session")
def truth(folder: Callable[[str], Path]) -> Callable[[str], np.ndarray]:
    """Case name -> logits (B, T, V): transformers' where they are right, else the formulas'."""

    @cache
    def logits(name: str) -> np.ndarray:
        if name in TRANSFORMERS_WRONG:
            return formulas(case(name))
        return transformers_logits(folder(name), case(name).tokens)

    return logits


@pytest.fixture(scope="session", params=EXECUTORS)
def executor(request: pytest.FixtureRequest, folder: Callable[[str], Path]) -> Callable[[str], np.ndarray]:
    """Case name -> logits of an executor."""
    return cache(lambda name: EXECUTORS[request.param](folder(name), case(name).tokens))
