"""A checkpoint of any format becomes a :class:`Model`: official tensors are read one by one, others decoded first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import FathomError
from ..weights.checkpoint import TensorRef, open_checkpoint
from .model import Model

__all__ = ["load_model", "read_tensor"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_DENSE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_model(path_or_name: str | Path, dtype: str = "float32") -> Model:
    """Load an official folder, a packed folder or a GGUF file; quantised weights are decoded to ``dtype``."""
    if dtype not in _DTYPES:
        raise FathomError("format_unsupported", what="dtype", found=dtype, known=", ".join(_DTYPES))
    path = Path(path_or_name)
    if not path.exists():
        from ..weights.store import resolve

        path = resolve(str(path_or_name))
    checkpoint = open_checkpoint(path)
    model = Model(checkpoint.config, _DTYPES[dtype], empty=True)
    for name, target in model.state_dict().items():
        if name not in checkpoint.tensors:
            raise FathomError("tensor_missing", path=str(path), name=name)
        source = read_tensor(checkpoint.tensors[name])
        if source.shape != target.shape:
            raise FathomError("tensor_shape", name=name, found=tuple(source.shape), expected=tuple(target.shape))
        target.copy_(source)
    return model
