"""A checkpoint of any format becomes a :class:`Model`, one tensor at a time; quantised weights are decoded exactly."""

from __future__ import annotations

from pathlib import Path

import torch

from ..errors import FathomError
from ..hub.store import resolve
from ..weights.checkpoint import Checkpoint, open_checkpoint
from .model import Model

__all__ = ["load_model"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_model(path_or_name: str | Path | Checkpoint, dtype: str = "float32") -> Model:
    """Load an official or packed folder, a GGUF file, or a model by its name in the store."""
    if dtype not in _DTYPES:
        raise FathomError("choice_unknown", what="dtype", found=dtype, known=", ".join(_DTYPES))
    checkpoint = path_or_name if isinstance(path_or_name, Checkpoint) else open_checkpoint(resolve(path_or_name))
    model = Model(checkpoint.config, _DTYPES[dtype], empty=True)
    for name, target in model.state_dict().items():
        source = checkpoint.floats(name)
        if source.shape != target.shape:
            raise FathomError("tensor_shape", name=name, found=source.shape, expected=tuple(target.shape))
        target.copy_(torch.from_numpy(source))
    return model
