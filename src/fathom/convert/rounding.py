"""Rounding a matrix W to int4 so that its outputs W x change least for the inputs x that were seen.

With H = sum x x^T the squared change of row w by the error e is e H e^T. First each group of columns gets the scale,
among a few, whose rounding has the least error weighted with the diagonal of H. Then columns are rounded one by one,
those of largest H_ii first, and the error of each is spread over those still to come (GPTQ, Frantar et al. 2022,
algorithm 1): with U the upper Cholesky factor of H^-1, w_j -= (w_i - q_i) U_ij / U_ii. A row that plain rounding serves
better keeps it, so by the measure of H no row becomes worse.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fathom._native import Matrix
from fathom.weights.checkpoint import aligned

__all__ = ["Rounded", "Seen", "pack_codes", "round_by_inputs", "round_plain"]

Floats = NDArray[np.float32]
LOW, HIGH, ZERO = -8, 7, 8
DAMPING = 0.1  # of the mean of H's diagonal, added to it: directions never seen count, too; and
SCARCE = 0.5  # times columns / tokens more, or what few tokens happen to show is fitted too closely
BLOCK = 128  # columns whose errors reach the others in one product
SHRINK = tuple(np.float32(1 - step / 20) for step in range(9))  # of the scale that spans the group: 1 .. 0.6
LANES = 16  # rows that a packed line holds


class Rounded(NamedTuple):
    """Codes -8..7 and a scale a row and group; columns are padded to whole groups."""

    codes: NDArray[np.int8]  # (R, C)
    scales: NDArray[np.float16]  # (R, C / group)

    @property
    def values(self) -> Floats:
        return self.codes * _by_column(self.scales, self.codes.shape[1])


class Seen:
    """The inputs of a matrix as H = sum x x^T, and what rounding needs of it, made once for all that share them."""

    def __init__(self, hessian: Floats, tokens: int) -> None:
        self.hessian, self.tokens = hessian, tokens
        self.diagonal: Floats = np.diag(hessian)
        self.order = np.argsort(-self.diagonal, kind="stable")

    @cached_property
    def upper(self) -> Floats:
        """The Cholesky factor U of H^-1 = U^T U, in that order of columns."""
        damped = self.hessian[np.ix_(self.order, self.order)].astype(np.float64)
        damping = DAMPING + SCARCE * len(damped) / max(self.tokens, 1)
        damped[np.diag_indices_from(damped)] += damping * self.diagonal.mean(dtype=np.float64)
        return np.ascontiguousarray(np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32))

    def row_errors(self, rows: Floats) -> NDArray[np.float64]:
        """e H e^T of each row e; not below 0, where float32 could end."""
        errors: NDArray[np.float64] = np.einsum("rc,rc->r", rows @ self.hessian, rows, dtype=np.float64)
        return np.maximum(errors, 0)

    def output_error(self, weights: Floats, rounded: Floats) -> float:
        """||W X - Q X|| / ||W X||; 0 where the outputs are."""
        size = self.row_errors(weights).sum()
        return float(np.sqrt(self.row_errors(weights - rounded).sum() / size)) if size > 0 else 0.0


def round_plain(weights: Floats, group: int) -> Rounded:
    """As ``Matrix.pack`` does: the value of greatest magnitude becomes -8."""
    scales = _spanning(weights, group).astype(np.float16)
    return Rounded(_nearest(weights, _by_column(scales, weights.shape[1])), scales)


def round_by_inputs(weights: Floats, seen: Seen, group: int) -> Rounded:
    """``weights`` (R, C) with C in whole groups."""
    plain = round_plain(weights, group)
    if not seen.diagonal.any():
        return plain
    scales = _search_scales(weights, seen.diagonal, group)
    codes = _spread_errors(weights, seen, _by_column(scales, weights.shape[1]))
    rounded = Rounded(codes, scales)
    worse = seen.row_errors(weights - rounded.values) > seen.row_errors(weights - plain.values)
    codes[worse], scales[worse] = plain.codes[worse], plain.scales[worse]
    return rounded


def pack_codes(rounded: Rounded, cols: int, group: int) -> Matrix:
    """The packed matrix with exactly these codes and scales, laid out as csrc/matrix.h says."""
    rows, width = rounded.codes.shape
    pad = ((0, -rows % LANES), (0, 0))
    codes = np.pad((rounded.codes + ZERO).astype(np.uint8), pad, constant_values=ZERO)
    halves = codes.reshape(-1, LANES, width // 8, 2, 4).transpose(0, 2, 3, 1, 4)  # columns 8j.. and 8j + 4..
    scales = np.pad(rounded.scales, pad).reshape(-1, LANES, width // group).transpose(0, 2, 1)
    planes = (halves[:, :, 0] | halves[:, :, 1] << 4).tobytes(), scales.tobytes()
    blob = b"".join(plane + bytes(-len(plane) % 64) for plane in planes)
    like = Matrix.pack(np.zeros(4 * cols, np.uint8), "F32", 1, cols, 4, group).spec
    return Matrix.view(aligned(np.frombuffer(blob, np.uint8)), like | {"rows": rows})


def _spanning(weights: Floats, group: int) -> Floats:
    groups = weights.reshape(len(weights), -1, group)
    largest = np.take_along_axis(groups, np.abs(groups).argmax(2, keepdims=True), 2)[..., 0]
    return np.asarray(largest / np.float32(LOW), np.float32)


def _search_scales(weights: Floats, diagonal: Floats, group: int) -> NDArray[np.float16]:
    """The best of a few shares of the spanning scale, of either sign: 8 levels on one side, 7 on the other."""
    spanning = _spanning(weights, group)
    best = spanning.astype(np.float16)
    least = np.full(best.shape, np.inf, np.float32)
    for factor in (sign * share for sign in (1, np.float32(LOW / HIGH)) for share in SHRINK):
        scales = (spanning * factor).astype(np.float16)
        by_column = _by_column(scales, weights.shape[1])
        gap = weights - _nearest(weights, by_column) * by_column
        error = (gap * gap * diagonal).reshape(*best.shape, group).sum(2)
        better = (error < least) & np.isfinite(scales)
        best[better], least[better] = scales[better], error[better]
    return best


def _spread_errors(weights: Floats, seen: Seen, scales: Floats) -> NDArray[np.int8]:
    order, upper = seen.order, seen.upper
    left = np.ascontiguousarray(weights[:, order].T)  # (C, R): what is still to be rounded, a column a line
    scale = np.ascontiguousarray(scales[:, order].T)
    codes = np.empty(left.shape, np.int8)
    for begin in range(0, len(left), BLOCK):
        end = min(begin + BLOCK, len(left))
        errors = np.empty_like(left[begin:end])
        for i in range(begin, end):
            codes[i] = _nearest(left[i], scale[i])
            errors[i - begin] = error = (left[i] - codes[i] * scale[i]) / upper[i, i]
            left[i + 1 : end] -= upper[i, i + 1 : end, None] * error
        left[end:] -= upper[begin:end, end:].T @ errors
    rounded = np.empty(weights.shape, np.int8)
    rounded[:, order] = codes.T
    return rounded


def _by_column(scales: NDArray[np.float16], cols: int) -> Floats:
    return np.repeat(scales.astype(np.float32), cols // scales.shape[1], axis=1)


def _nearest(weights: Floats, scales: Floats) -> NDArray[np.int8]:
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
    return np.rint(np.clip(weights * inverse, LOW, HIGH)).astype(np.int8)
