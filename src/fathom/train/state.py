"""Checkpoints of a run: one safetensors file a step, complete or absent, and no pickles.

Parameters (float32) lie under ``model/``, the optimiser's state under ``optimizer/``; what the run knows about itself
is JSON in the header. A file is written beside its place, flushed to the disk and renamed, so a crash at any moment
leaves the one before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..errors import FathomError
from ..files import atomic_file
from ..weights.safetensors import read_header
from .optim import Optimizer

__all__ = ["keep_last", "latest", "load_state", "read_facts", "save_state", "write_durably"]

_FACTS = "fathom.train"


def save_state(folder: Path, step: int, model: nn.Module, optimizer: Optimizer, facts: Mapping[str, Any]) -> Path:
    """Writes ``step-00000123.safetensors``; ``no_space`` where the disk is full, and older files stay."""
    tensors = {f"model/{name}": t.detach() for name, t in _persistent(model).items()}
    tensors |= {f"optimizer/{name}": t for name, t in optimizer.state().items()}
    owned = {name: t.cpu().contiguous().clone() for name, t in tensors.items()}  # of stacks: views share storage
    path = folder / f"step-{step:08d}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(path, save(owned, {_FACTS: json.dumps(facts)}))
    return path


def keep_last(folder: Path, count: int) -> None:
    for path in sorted(folder.glob("step-*.safetensors"))[:-count]:
        path.unlink()


def latest(folder: Path) -> Path | None:
    """The newest checkpoint."""
    return max(folder.glob("step-*.safetensors"), default=None)


def read_facts(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(read_header(path).metadata[_FACTS])
    except (KeyError, ValueError):
        raise FathomError("file_malformed", path=path, format="checkpoint", problem="no facts of a run") from None
    return facts


@torch.no_grad()
def load_state(path: Path, model: nn.Module, optimizer: Optimizer) -> None:
    """Everything back in place, exactly; a tensor that is missing or of another shape is an error."""
    tensors = load_file(path)
    try:
        for name, target in _persistent(model).items():
            source = tensors[f"model/{name}"]
            if source.shape != target.shape:
                raise FathomError("tensor_shape", name=name, found=tuple(source.shape), expected=tuple(target.shape))
            target.copy_(source)
        prefix = "optimizer/"
        optimizer.restore({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    except KeyError as error:
        raise FathomError("tensor_missing", path=path, name=str(error.args[0])) from None


def write_durably(path: Path, content: bytes) -> None:
    """Complete on the disk, or absent."""
    with atomic_file(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def _persistent(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
