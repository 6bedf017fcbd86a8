"""The bootstrap: the mean, an interval around it, the same one each time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.eval.stats import interval


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_mean_lies_in_an_interval_within_the_scores(scores: list[float]) -> None:
    mean, low, high = interval(scores)
    assert mean == pytest.approx(sum(scores) / len(scores))
    slack = 1e-12
    assert min(scores) - slack <= low <= high <= max(scores) + slack
    assert interval(scores) == (mean, low, high)


def test_it_is_the_binomial_interval_of_many_right_and_wrong_answers() -> None:
    _, low, high = interval([1.0] * 300 + [0.0] * 100)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == (pytest.approx(0.75 - half, abs=0.01), pytest.approx(0.75 + half, abs=0.01))


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    intervals = [interval(random.random(60)) for _ in range(100)]
    assert 90 <= sum(low <= 0.5 <= high for _, low, high in intervals) <= 99


def test_equal_scores_have_no_width_and_no_scores_no_mean() -> None:
    assert interval([0.5] * 7) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="no scores"):
        interval([])
