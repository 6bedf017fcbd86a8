"""A mean and how sure it is: the percentile bootstrap (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["RESAMPLES", "interval"]

RESAMPLES = 1000
SEED = 0  # of the resampling: the same scores, the same interval


def interval(scores: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the scores, low and high end of its 95 % interval: items drawn anew with replacement, 1,000 times.

    Where all scores are equal the interval has no width, however few they are. ``ValueError`` where there are none.
    """
    values = np.asarray(scores, np.float64)
    if not values.size:
        raise ValueError("no scores")
    drawn = np.random.default_rng(SEED).integers(values.size, size=(RESAMPLES, values.size), dtype=np.int32)
    low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
    return float(values.mean()), float(low), float(high)
