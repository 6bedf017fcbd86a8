"""What the logits of a case must be, by the formulas and by transformers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from parity.cases import Case
from parity.formulas import Formulas

TOLERANCE = 1e-4  # max-abs, float32, on logits of standard deviation 1


@cache
def formulas(case: Case, variant: type[Formulas] = Formulas) -> np.ndarray:
    model = variant(case.config, {name: t.float().numpy() for name, t in case.weights.items()})
    return np.stack([model.logits(prompt) for prompt in case.tokens])


def transformers_logits(folder: Path, tokens: np.ndarray) -> np.ndarray:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.inference_mode():
        return model(torch.from_numpy(tokens)).logits.numpy()
