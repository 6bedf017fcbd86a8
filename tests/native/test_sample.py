"""The native draw equals a plain twin that sorts everything in float64; sums and likeliest tokens are numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom import _native

NEAR = 1e-6  # float32 weights: a border may lie this far from where float64 puts it


def support(logits: np.ndarray, temperature: float, top_k: int, top_p: float, min_p: float) -> tuple[np.ndarray, ...]:
    """The ids that may be drawn, in the order of the draw, and their weights."""
    with np.errstate(over="ignore"):
        weights = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
    weights[weights < np.exp(-87.0)] = 0  # as far as float32 goes
    order = np.argsort(-logits, kind="stable")
    ids = order[:top_k] if 0 < top_k < logits.size else order
    cut = 0 < top_k < logits.size
    if top_p < 1:
        cumulative = weights[ids].cumsum()
        ids, cut = ids[: int(np.searchsorted(cumulative, top_p * cumulative[-1])) + 1], True
    ids = ids if cut else np.sort(ids)  # min_p alone leaves the order of ids
    ids = ids[weights[ids] >= min_p]
    return ids, weights[ids]


def twin(logits: np.ndarray, uniform: float, *choice: float) -> int:
    ids, weights = support(logits, *choice)  # type: ignore[arg-type]
    cumulative = weights.cumsum()
    last = int(np.searchsorted(cumulative, cumulative[-1]))
    return int(ids[min(int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right")), last)])


def agrees(logits: np.ndarray, uniform: float, temperature: float, top_k: int, top_p: float, min_p: float) -> bool:
    found = _native.draw(logits, None, temperature, top_k, top_p, min_p, uniform)
    return found in {
        twin(logits, min(max(uniform + du, 0.0), 1 - 1e-16), temperature, top_k, min(p, 1.0), max(min_p + dm, 0.0))
        for du in (0, -NEAR, NEAR)
        for p in ((top_p, top_p - NEAR, top_p + NEAR) if top_p < 1 else (1.0,))
        for dm in ((0, -NEAR, NEAR) if min_p else (0,))
    }


CHOICES = (
    st.sampled_from([0.05, 0.3, 1.0, 2.0]),
    st.sampled_from([0, 2, 5, 40, 10_000]),
    st.sampled_from([0.05, 0.5, 0.9, 1.0]),
    st.sampled_from([0.0, 0.015, 0.4]),
)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 1500), st.floats(0, 1, exclude_max=True), *CHOICES)
def test_a_draw_equals_the_plain_twin(
    seed: int, size: int, uniform: float, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    logits = (np.random.default_rng(seed).integers(-300, 300, size) / 32).astype(np.float32)  # with many equals
    assert agrees(logits, uniform, temperature, top_k, top_p, min_p)


@pytest.mark.parametrize("size", [1, 7, 256, 257, 12_288])
def test_draws_of_whole_vocabularies_equal_the_twin(size: int) -> None:
    random = np.random.default_rng(size)
    logits = random.normal(0, 3, size).astype(np.float32)
    for choice in ((1.0, 0, 1.0, 0.0), (0.3, 0, 0.9, 0.0), (0.7, 50, 0.8, 0.02), (1.0, 0, 1.0, 0.1)):
        assert all(agrees(logits, uniform, *choice) for uniform in (0.0, *random.random(3), 1 - 1e-16))


def test_equals_and_extremes() -> None:
    flat = np.zeros(155_000, np.float32)
    assert _native.draw(flat, None, 1.0, 0, 0.5, 0.0, 1 - 1e-9) == 77_499
    assert _native.draw(flat, None, 0.0) == 0
    assert _native.top(flat, 3)[0].tolist() == [0, 1, 2]
    far = np.array([-3e38, 3e38, 3e38, 0.0], np.float32)
    assert [_native.draw(far, None, 1e-30, uniform=u) for u in (0.0, 0.49, 0.51, 1 - 1e-16)] == [1, 1, 2, 2]


def test_masked_tokens_are_never_drawn() -> None:
    logits = np.random.default_rng(0).normal(0, 2, 700).astype(np.float32)
    mask = np.zeros(700, bool)
    mask[[3, 300, 699]] = True
    for choice in ((1.0, 0, 1.0, 0.0), (1.0, 0, 0.9, 0.0), (1.0, 5, 1.0, 0.0), (1.0, 0, 1.0, 0.001)):
        assert {_native.draw(logits, mask, *choice, u) for u in np.linspace(0, 1 - 1e-16, 50)} <= {3, 300, 699}
    with pytest.raises(ValueError, match="mask"):
        _native.draw(logits, mask[:5], 1.0)


@pytest.mark.parametrize("at", [0, 8, 255, 256, 300])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found_anywhere(at: int, value: float) -> None:
    logits = np.zeros(301, np.float32)
    logits[at] = value
    assert np.isnan(_native.logsumexp(logits))
    assert _native.draw(logits, np.ones(301, bool), 1.0) == -1


@pytest.mark.parametrize("size", [1, 9, 256, 1000, 102_400])
def test_the_sum_and_the_likeliest_are_those_of_numpy(size: int) -> None:
    logits = np.random.default_rng(size).normal(0, 5, size).astype(np.float32)
    wide = logits.astype(np.float64)
    assert _native.logsumexp(logits) == pytest.approx(np.log(np.exp(wide - wide.max()).sum()) + wide.max(), abs=1e-6)
    for k in (0, 1, 20, size, size + 5):
        ids, values = _native.top(logits, k)
        assert ids.tolist() == np.argsort(-logits, kind="stable")[:k].tolist()
        assert np.array_equal(values, logits[ids])
