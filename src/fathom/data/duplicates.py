"""Duplicates and contamination by hashes of what remains of a text without spaces, punctuation and case.

*Exact*: the hash of the whole. *Near*: MinHash (Broder 1997) over runs of 8 characters, 32 minima, found through 8
bands of 4, confirmed when the share of equal minima, which estimates the Jaccard index, reaches the threshold.
*Contamination*: any run of 32 characters shared with evaluation material; one run in four, chosen by its hash, is
looked up, so a shared passage of n characters is missed with probability 0.75 ** (n - 31).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from .clean import plain

__all__ = ["Contamination", "Duplicates"]

Hashes = npt.NDArray[np.uint64]
RUN, MINIMA, BANDS = 8, 32, 8
LONG = 4096  # runs; of longer texts one in eight counts
PASSAGE, SAMPLED = 32, np.uint64(3)
_words = np.random.Philox(key=20)
_SCALE = _words.random_raw(MINIMA).astype(np.uint64) | np.uint64(1)
_SHIFT = _words.random_raw(MINIMA).astype(np.uint64)


class Duplicates:
    """All documents so far."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._bands: list[dict[bytes, int]] = [{} for _ in range(BANDS)]
        self._minima: list[Hashes] = []

    def kind(self, text: str, near: float) -> str | None:
        """``duplicate`` or ``near duplicate`` of an earlier text, else None, and it is remembered.

        ``near``: the Jaccard index from which texts count as the same; 0 looks for exact duplicates alone.
        """
        text = plain(text)
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if key in self._exact:
            return "duplicate"
        self._exact.add(key)
        if near and len(text) >= 2 * RUN:
            minima = _minima(text)
            keys = [band.tobytes() for band in minima.reshape(BANDS, -1)]
            for band, band_key in zip(self._bands, keys, strict=True):
                other = band.get(band_key)
                if other is not None and (self._minima[other] == minima).mean() >= near:
                    return "near duplicate"
            for band, band_key in zip(self._bands, keys, strict=True):
                band.setdefault(band_key, len(self._minima))
            self._minima.append(minima)
        return None


class Contamination:
    """Evaluation material: no document that shares a passage with it is trained on, nor one that asks its questions."""

    def __init__(self) -> None:
        self._passages: set[int] = set()
        self._sorted: Hashes | None = None
        self._whole: set[str] = set()

    def add(self, text: str) -> None:
        """A question or task: neither asked as a whole nor quoted."""
        self._whole.add(plain(text))
        self.add_passages(text)

    def add_passages(self, text: str) -> None:
        """A text: not quoted."""
        self._passages.update(_sampled(plain(text)).tolist())
        self._sorted = None

    def asked(self, question: str) -> bool:
        """Whether it is one of the texts added, as a whole."""
        return plain(question) in self._whole

    def shares(self, text: str) -> bool:
        if self._sorted is None:
            self._sorted = np.array(sorted(self._passages), np.uint64)
        if not len(self._sorted) or not len(found := _sampled(plain(text))):
            return False
        at = np.minimum(np.searchsorted(self._sorted, found), len(self._sorted) - 1)
        return bool((self._sorted[at] == found).any())


def _minima(text: str) -> Hashes:
    runs = _runs(text, RUN)
    if len(runs) > LONG:
        few = runs[runs & np.uint64(7) == 0]
        runs = few if len(few) else runs
    with np.errstate(over="ignore"):
        least = [(runs * scale + shift).min() for scale, shift in zip(_SCALE, _SHIFT, strict=True)]
    return np.array(least, np.uint64)


def _sampled(text: str) -> Hashes:
    runs = _runs(text, PASSAGE)
    chosen: Hashes = runs[runs & SAMPLED == 0]
    return chosen


def _runs(text: str, width: int) -> Hashes:
    """A hash of every run of ``width`` (a power of two) characters, mixed so that low bits and order are random."""
    codes: npt.NDArray[Any] = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    runs = codes.astype(np.uint64)
    with np.errstate(over="ignore"):
        step = 1
        while step < width and len(runs) > step:
            runs = runs[:-step] * np.uint64(0x9E3779B97F4A7C15) + (runs[step:] ^ (runs[step:] >> np.uint64(29)))
            runs = (runs ^ (runs >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
            step *= 2
        if step < width:
            return np.empty(0, np.uint64)
        mixed: Hashes = runs ^ (runs >> np.uint64(27))
        return mixed
