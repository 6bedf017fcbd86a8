"""``fathom quantize``: any checkpoint to the packed format, streaming, plain rounding.

Every record's size is known before the first byte is written: the packer is asked for the layout of a one-row matrix.
So the disk is checked first, headers are written first, and memory holds one record and one source tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fathom.convert.packed import Layout, Record, plan, write_config, write_records
from fathom.files import atomic_folder, check_space
from fathom.model.program import Weight, build_program
from fathom.weights.checkpoint import DENSE, open_checkpoint
from fathom.weights.load import BITS, KEEP, Progress, Source, check_format, convert, sources, target
from fathom.weights.packed import row_spec

if TYPE_CHECKING:
    from fathom._native import Matrix

__all__ = ["Rounder", "quantization_config", "quantize"]

METADATA_BYTES = 64 << 20  # room for headers, index and tokenizer files when the disk is checked


class Rounder(Protocol):
    """Rounds the matrices it names; the others become int8."""

    names: frozenset[str]

    def round(self, weight: Weight, group: int) -> Matrix: ...


def quantize(
    src: str | Path,
    dst: str | Path,
    format: str = "int8",
    group: int = 32,
    progress: Progress | None = None,
    rounder: Rounder | None = None,
) -> Path:
    """Write ``src`` in the packed format as the new folder ``dst``; killed half-way, nothing stands under that name.

    Matrices stored quantised at no more bits than asked are repacked exactly, never rounded a second time. Layers for
    multi-token prediction, which nothing here runs, are left out.
    """
    check_format(format, group, ("int8", "int4"))
    checkpoint, dst = open_checkpoint(src), Path(dst)
    program = build_program(checkpoint.config)
    origin = {source.weight.name: source for source in sources(checkpoint, program, format)}
    formats = {name: format if rounder is None or name in rounder.names else "int8" for name in origin}
    records = plan(_layout(source, formats[name], group) for name, source in origin.items())

    def data(record: Record) -> Iterator[Any]:
        for name in record.weights:
            source = origin[name]
            kind, columns = target(source, formats[name], group)
            if rounder is not None and kind == "int4":
                value: Matrix | NDArray[np.float32] = rounder.round(source.weight, columns)
            else:
                value = convert(source, formats[name], group, checkpoint)  # also checks that all is finite
            yield value if isinstance(value, np.ndarray) else value.blob()

    with atomic_folder(dst) as folder:
        check_space(dst, sum(record.nbytes for record in records) + METADATA_BYTES)
        write_records(folder, records, data, progress)
        write_config(folder, checkpoint.config.to_dict() | quantization_config(format, group), checkpoint)
    return dst


def quantization_config(format: str, group: int) -> dict[str, Any]:
    return {"quantization_config": {"quant_method": "fathom", "format": format, "group": group}}


def _layout(source: Source, format: str, group: int) -> Layout:
    """How the weight will lie in the file, before it is converted."""
    weight, ref = source.weight, source.refs[0]
    kind, columns = target(source, format, group)
    if len(weight.shape) == 1 or kind == "F32":
        return Layout(weight.name, weight.shape, "F32")
    if kind == KEEP and ref.type in DENSE:
        return Layout(weight.name, weight.shape, ref.type)
    if kind == KEEP:
        spec = ref.spec or row_spec(ref.type, weight.shape[1], ref.nbytes // weight.shape[0])
    else:
        spec = row_spec("F32", weight.shape[1], 4 * weight.shape[1], BITS[kind], columns)
    return Layout(weight.name, weight.shape, "U8", spec | {"rows": weight.shape[0]})
