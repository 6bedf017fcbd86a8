"""Documents into rows of T tokens, without losing one and without padding much.

A document of n tokens is n - 1 predictions. A longer one than a row is split into pieces that follow each other: the
last target of a piece is the first input of the next. The pieces are put together best fit first: each goes into the
row that it leaves fullest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plan", "pack"]


class Plan(NamedTuple):
    """Row r holds pieces ``rows[r]:rows[r + 1]``; a piece are the inputs ``start : start + length`` of the set."""

    rows: NDArray[np.int64]  # (R + 1,)
    start: NDArray[np.int64]  # (P,)
    length: NDArray[np.int64]  # (P,)

    def __len__(self) -> int:
        return len(self.rows) - 1


def pack(offsets: NDArray[np.int64], length: int) -> Plan:
    """The plan of one set for rows of ``length``; the same for the same documents."""
    starts, lengths = _pieces(offsets, length)
    order = np.argsort(-lengths, kind="stable")
    rows: list[list[int]] = []
    free: list[list[int]] = [[] for _ in range(length + 1)]  # free[k]: rows with k free places
    smallest = _Smallest(length)
    for piece in order.tolist():
        need = int(lengths[piece])
        room = smallest.at_least(need)
        if room is None:
            row, left = len(rows), length - need
            rows.append([piece])
        else:
            row, left = free[room].pop(), room - need
            rows[row].append(piece)
            if not free[room]:
                smallest.drop(room)
        if left:
            free[left].append(row)
            smallest.add(left)
    counts = np.fromiter((len(row) for row in rows), np.int64, len(rows))
    flat = np.fromiter((piece for row in rows for piece in row), np.int64, len(starts))
    return Plan(np.concatenate([[0], np.cumsum(counts)]), starts[flat], lengths[flat])


def _pieces(offsets: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    inputs = np.diff(offsets) - 1
    pieces = -(-inputs // length)
    document = np.repeat(np.arange(len(inputs)), pieces)
    number = np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return offsets[document] + number * length, np.minimum(inputs[document] - number * length, length)


class _Smallest:
    """The set of room sizes in use, as the bits of one integer: the smallest of at least so much in one step."""

    def __init__(self, largest: int) -> None:
        self._bits, self._largest = 0, largest

    def add(self, size: int) -> None:
        self._bits |= 1 << size

    def drop(self, size: int) -> None:
        self._bits &= ~(1 << size)

    def at_least(self, size: int) -> int | None:
        above = self._bits >> size
        return None if not above else size + (above & -above).bit_length() - 1
