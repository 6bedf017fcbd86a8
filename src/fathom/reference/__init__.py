"""The program in PyTorch: the readable truth for the native engine, with autograd for training. Needs ``[train]``."""

from ..errors import FathomError

try:
    import torch  # noqa: F401
except ModuleNotFoundError:
    raise FathomError("extra_missing", feature="fathom.reference", extra="train") from None

from .load import load_model
from .model import LatentCache, Model

__all__ = ["LatentCache", "Model", "load_model"]
