"""Weights in the official layout: bfloat16 safetensors in shards of a chosen size, with config and tokenizer files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save

from ..errors import FathomError
from ..files import atomic_folder
from ..reference import Model
from ..weights.safetensors import read_header

__all__ = ["COPIED", "export", "exported_step", "merge"]

COPIED = (  # tokenizer and default sampling
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)


_STEP = "fathom.step"


def export(model: Model, source: Path, target: Path, shard_mb: int = 16, *, step: int = 0) -> Path:
    """A folder every reader of the family takes; no file of weights is above ``shard_mb`` MiB unless one tensor is.

    ``step`` of the run stands in the headers of the files.
    """
    limit, size = (shard_mb << 20) - (1 << 16), 0
    shards: list[dict[str, torch.Tensor]] = [{}]
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        copy = tensor.detach().to("cpu", torch.bfloat16, copy=True).contiguous()
        if shards[-1] and size + copy.nbytes > limit:
            shards.append({})
            size = 0
        shards[-1][name] = copy
        size += copy.nbytes
    total = sum(tensor.nbytes for shard in shards for tensor in shard.values())
    with atomic_folder(target) as folder:
        names: dict[str, str] = {}
        for index, shard in enumerate(shards, 1):
            one = len(shards) == 1
            file = "model.safetensors" if one else f"model-{index:05d}-of-{len(shards):05d}.safetensors"
            (folder / file).write_bytes(save(shard, {"format": "pt", _STEP: str(step)}))
            names |= dict.fromkeys(shard, file)
        if len(shards) > 1:
            index_file = {"metadata": {"total_size": total}, "weight_map": names}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index_file, indent=1) + "\n", "utf-8")
        config = {k: v for k, v in model.config.to_dict().items() if k not in ("quantization_config", "dtype")}
        config["torch_dtype"] = "bfloat16"  # whatever the start was stored as
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
        for file in COPIED:
            if (source / file).is_file():
                shutil.copyfile(source / file, folder / file)
    return target


def exported_step(folder: Path) -> int | None:
    """The step that an exported folder is of; None where there is none, or it doesn't say."""
    first = min(folder.glob("model*.safetensors"), default=None)
    told = read_header(first).metadata.get(_STEP, "") if first else ""
    return int(told) if told.isdecimal() else None


def merge(source: Path, target: Path) -> Path:
    """A folder of shards as a folder with one file of weights, byte for byte the same tensors."""
    from safetensors.torch import load_file

    files = sorted(source.glob("model*.safetensors"))
    if not files:
        raise FathomError("file_unreadable", path=source, problem="holds no weights")
    tensors = {name: tensor for file in files for name, tensor in load_file(file).items()}
    with atomic_folder(target) as folder:
        (folder / "model.safetensors").write_bytes(save(tensors, {"format": "pt"}))
        for file in ("config.json", *COPIED):
            if (source / file).is_file():
                shutil.copyfile(source / file, folder / file)
    return target
