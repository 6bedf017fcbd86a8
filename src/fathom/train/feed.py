"""Steps of data, made ahead by a thread and carried to the device while it computes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.batches import Batches
from .network import Micro

__all__ = ["Feed"]

_AHEAD = 3  # steps


class Feed:
    """Equal micro-batches of ``micro_tokens`` tokens at most, but of one row at least.

    ``ends``: documents as cumulative ends for variable-length attention. The number of ends is a power of two that only
    grows, so that shapes stay static.
    """

    def __init__(self, source: Batches, micro_tokens: int, device: torch.device, *, ends: bool) -> None:
        self._source, self._micro_tokens, self._device, self._ends = source, micro_tokens, device, ends
        self._room = 0
        self._pool = ThreadPoolExecutor(1, "fathom-feed")
        self._ready: dict[tuple[int, int], Future[list[dict[str, Tensor]]]] = {}

    def step(self, phase: int, step: int) -> list[Micro]:
        """All micro-batches of a step; their weights add up to 1 over its targets."""
        wanted = [(phase, step + ahead) for ahead in range(_AHEAD)]
        for key in [key for key in self._ready if key not in wanted]:
            self._ready.pop(key).cancel()
        for key in wanted:
            if key not in self._ready:
                self._ready[key] = self._pool.submit(self._make, *key)
        parts = self._ready.pop(wanted[0]).result()
        return [self._move(part, len(parts)) for part in parts]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _make(self, phase: int, step: int) -> list[dict[str, Tensor]]:
        batch = self._source.batch(phase, step)
        rows, length = batch.inputs.shape
        weight = batch.loss.astype(np.float32) / np.float32(max(int(batch.loss.sum()), 1))
        most = min(max(1, self._micro_tokens // length), rows)
        micro = next(count for count in range(most, 0, -1) if rows % count == 0)
        if self._ends:
            documents = max(len(_starts(batch.document[at : at + micro])) for at in range(0, rows, micro))
            if documents > self._room:
                self._room = 1 << (documents + documents // 4).bit_length()
        parts = []
        for at in range(0, rows, micro):
            part = slice(at, at + micro)
            arrays = {
                "tokens": batch.inputs[part],
                "targets": batch.targets[part],
                "weight": weight[part],
                "position": batch.position[part],
                "spans": self._spans(batch.document[part]),
            }
            tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
            parts.append({n: t.pin_memory() if self._device.type == "cuda" else t for n, t in tensors.items()})
        return parts

    def _spans(self, document: NDArray[np.int32]) -> NDArray[np.int32]:
        """Cumulative ends, padded with N: empty documents; or a number for each token, different where rows differ."""
        if not self._ends:
            return document
        starts = _starts(document)
        spans = np.full(self._room + 1, document.size, np.int32)
        spans[: len(starts)] = starts
        return spans

    def _move(self, part: dict[str, Tensor], parts: int) -> Micro:
        moved = {name: tensor.to(self._device, non_blocking=True) for name, tensor in part.items()}
        return Micro(
            tokens=moved["tokens"].view(1, -1).long(),
            targets=moved["targets"].view(-1).long(),
            weight=moved["weight"].view(-1),
            position=moved["position"].view(-1),
            spans=moved["spans"].view(-1),
            length=part["tokens"].shape[1],
            share=1 / parts,
        )


def _starts(document: NDArray[np.int32]) -> NDArray[np.intp]:
    """Places in the flat rows where a document begins: at the start of a row, and where its number changes."""
    begins = np.ones(document.shape, np.bool_)
    begins[:, 1:] = document[:, 1:] != document[:, :-1]
    return np.flatnonzero(begins)
