"""Dummy weights as a folder: writing is bound by the disk alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fathom.config import ModelConfig
from fathom.convert.packed import Layout, Record, plan, write_config, write_records
from fathom.convert.quantize import METADATA_BYTES, quantization_config
from fathom.files import atomic_folder, check_space
from fathom.model.program import build_program
from fathom.weights.dummy import Draw
from fathom.weights.load import BITS, Progress
from fathom.weights.published import known_config

__all__ = ["make_dummy"]


def make_dummy(
    name: str,
    dst: str | Path,
    format: str = "bf16",
    seed: int = 0,
    layers: int | None = None,
    group: int = 32,
    progress: Progress | None = None,
) -> Path:
    """Write a checkpoint of a published shape (with fewer ``layers`` where given) as the new folder ``dst``."""
    raw = known_config(name).to_dict() | ({"num_hidden_layers": layers} if layers else {})
    program, dst = build_program(ModelConfig.from_dict(raw)), Path(dst)
    draw = Draw(format, group, seed)
    records = plan(Layout(w.name, w.shape, *draw.storage(w)) for w in program.weights.values())
    weights = program.weights

    def data(record: Record) -> Iterator[Any]:
        for name in record.weights:
            yield draw(weights[name])

    with atomic_folder(dst) as folder:
        check_space(dst, sum(record.nbytes for record in records) + METADATA_BYTES)
        write_records(folder, records, data, progress)
        write_config(folder, raw | (quantization_config(format, group) if format in BITS else {}))
    return dst
