"""Attention over a page of bfloat16 latents: its definition at every level; a query never depends on its company."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fathom import _native

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]
Halves = NDArray[np.uint16]
State = tuple[Floats, Floats, Floats]
USABLE = _native.levels()
LEVELS = [*USABLE, *(["avx512-f32"] if "avx512" in USABLE else [])]
FAST = LEVELS[: len(USABLE) - 1] + LEVELS[len(USABLE) :]
HALF_ULP = 2.0**-8  # of bfloat16, relative: what rounding a weight can cost
# (queries, rank, rope, keys): tiles, their tails, odd sizes, models as they are
SHAPES = [
    (1, 1, 0, 1),
    (1, 1, 1, 2),
    (3, 7, 5, 9),
    (5, 16, 8, 63),
    (16, 33, 2, 12),
    (15, 31, 10, 3),
    (16, 48, 17, 37),
    (16, 512, 64, 64),
    (13, 512, 64, 1),
]


def halves(x: Floats) -> Halves:
    return _native.to_bf16(np.ascontiguousarray(x).reshape(-1), "portable").reshape(x.shape)


def widened(x: Halves) -> Floats:
    return _native.from_bf16(x.reshape(-1), "portable").reshape(x.shape)


def fresh(n_q: int, rank: int) -> State:
    return np.full(n_q, -np.inf, np.float32), np.zeros(n_q, np.float32), np.zeros((n_q, rank), np.float32)


def operands(n_q: int, width: int, n_k: int, seed: int = 0) -> tuple[Floats, Halves]:
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((n_q, width)).astype(np.float32)
    return q, halves(rng.standard_normal((n_k, width)).astype(np.float32))


def definition(q: Floats, c: Halves, rank: int, visible: NDArray[np.int32], scale: float) -> tuple[Exact, Exact, Exact]:
    """m, the weights e^(s - m) and the values, in float64; only the queries are rounded."""
    rows = widened(c).astype(np.float64)
    score = scale * (widened(halves(q)).astype(np.float64) @ rows.T)
    score[np.arange(len(rows))[None] >= visible[:, None]] = -np.inf
    m = score.max(-1)
    return m, np.exp(score - m[:, None]), rows[:, :rank]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("n_q", "rank", "rope", "n_k"), SHAPES)
def test_it_is_softmax_over_the_rows_a_query_sees(n_q: int, rank: int, rope: int, n_k: int, level: str) -> None:
    q, c = operands(n_q, rank + rope, n_k)
    for visible in (np.full(n_q, n_k, np.int32), np.random.default_rng(1).integers(1, n_k + 1, n_q).astype(np.int32)):
        m, weight, values = definition(q, c, rank, visible, 0.2)
        found_m, total, acc = _native.attend_latents(q, c, visible, 0.2, *fresh(n_q, rank), level)
        np.testing.assert_allclose(found_m, m, rtol=1e-5, atol=1e-5)
        assert (np.abs(total - weight.sum(-1)) <= HALF_ULP * weight.sum(-1) + 1e-4).all()
        assert (np.abs(acc - weight @ values) <= HALF_ULP * (weight @ np.abs(values)) + 1e-4).all()
        rounded = widened(halves(weight.astype(np.float32))).astype(np.float64)
        exact = np.isclose(total, rounded.sum(-1), rtol=1e-5) & np.isclose(acc, rounded @ values, atol=1e-4).all(-1)
        assert np.count_nonzero(exact) >= n_q - 1  # a weight between two bfloat16 may be rounded to either


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("n_q", "rank", "rope", "n_k"), SHAPES)
def test_equal_scores_give_exact_sums(n_q: int, rank: int, rope: int, n_k: int, level: str) -> None:
    """All weights are 1: what is left is the sum of the values, and the state before falls by e^-2."""
    q, c = operands(n_q, rank + rope, n_k)
    visible = np.full(n_q, n_k, np.int32)
    state = np.full(n_q, -2, np.float32), np.full(n_q, 3, np.float32), np.full((n_q, rank), 5, np.float32)
    m, total, acc = _native.attend_latents(q * 0, c, visible, 0.2, *state, level)
    np.testing.assert_array_equal(m, 0)
    np.testing.assert_allclose(total, n_k + 3 * np.exp(-2), rtol=1e-6)
    expected = widened(c)[:, :rank].astype(np.float64).sum(0) + 5 * np.exp(-2)
    np.testing.assert_allclose(acc, np.tile(expected, (n_q, 1)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level", FAST)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_q=st.integers(1, 16),
    rank=st.integers(1, 80),
    rope=st.integers(0, 33),
    n_k=st.integers(1, 64),
    seed=st.integers(0, 9),
)
def test_levels_agree(level: str, n_q: int, rank: int, rope: int, n_k: int, seed: int) -> None:
    q, c = operands(n_q, rank + rope, n_k, seed)
    visible = np.random.default_rng(seed).integers(-1, n_k + 3, n_q).astype(np.int32)
    found, plain = fresh(n_q, rank), fresh(n_q, rank)
    for scale in (0.3, 0.1):
        found = _native.attend_latents(q, c, visible, scale, *found, level)
        plain = _native.attend_latents(q, c, visible, scale, *plain, "portable")
    np.testing.assert_allclose(found[0], plain[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], plain[1], rtol=2 * HALF_ULP)
    largest = np.abs(widened(c)).max()
    assert (np.abs(found[2] - plain[2]) <= 2 * HALF_ULP * largest * plain[1][:, None]).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rank", [40, 37])
def test_a_query_never_depends_on_its_company(rank: int, level: str) -> None:
    """Alone, among others in another place, or with only the rows it sees: the same bits; unseen rows may be NaN."""
    q, c = operands(16, rank + 8, 64, 3)
    visible = np.random.default_rng(3).integers(0, 65, 16).astype(np.int32)
    visible[4:9] = 31
    together = _native.attend_latents(q, c, visible, 0.3, *fresh(16, rank), level)
    for i in range(16):
        poisoned = c.copy()
        poisoned[visible[i] :] = 0x7FC0
        for rows in (c, poisoned, c[: max(1, int(visible[i]))]):
            one = _native.attend_latents(q[i : i + 1], rows, visible[i : i + 1], 0.3, *fresh(1, rank), level)
            for part, whole in zip(one, together, strict=True):
                np.testing.assert_array_equal(part[0], whole[i])
        others = np.roll(np.arange(16), 5)
        turned = _native.attend_latents(q[others], poisoned, visible[others], 0.3, *fresh(16, rank), level)
        for part, whole in zip(turned, together, strict=True):
            np.testing.assert_array_equal(part[others == i][0], whole[i])
    unseeing = visible == 0
    assert unseeing.any() == (together[0] == -np.inf).any()
    assert not together[1][unseeing].any()
    assert not together[2][unseeing].any()


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_not_finite_shows(level: str) -> None:
    q, c = operands(3, 24, 10)
    visible = np.array([10, 4, 10], np.int32)
    nan_query = q.copy()
    nan_query[2, 5] = np.nan
    _, total, acc = _native.attend_latents(nan_query, c, visible, 0.3, *fresh(3, 16), level)
    assert np.isnan(acc[2] / total[2]).all()
    assert np.isfinite(acc[:2]).all()
    c[7, 20] = 0x7FC0  # a key that the second query does not see
    _, total, acc = _native.attend_latents(q, c, visible, 0.3, *fresh(3, 16), level)
    assert np.isnan(acc[[0, 2]] / total[[0, 2], None]).all()
    assert np.isfinite(acc[1]).all()


@pytest.mark.parametrize("level", LEVELS)
def test_far_lower_scores_weigh_nothing(level: str) -> None:
    c = halves(np.linspace(-1, 1, 64, dtype=np.float32)[:, None])
    q, visible = np.array([[1000.0], [-1000.0]], np.float32), np.full(2, 64, np.int32)
    m, total, acc = _native.attend_latents(q, c, visible, 1.0, *fresh(2, 1), level)
    np.testing.assert_allclose(acc[:, 0] / total, [1, -1], atol=1e-4)
    after = _native.attend_latents(q, c[30:31], visible, 1e-3, m, total, acc, level)
    for part, whole in zip(after, (m, total, acc), strict=True):
        np.testing.assert_array_equal(part, whole)


def test_sizes_are_checked() -> None:
    q, c = operands(2, 8, 4)
    visible = np.full(2, 4, np.int32)
    with pytest.raises(ValueError, match="do not fit together"):
        _native.attend_latents(q, c[:, :6].copy(), visible, 1.0, *fresh(2, 4), None)
    with pytest.raises(ValueError, match="do not fit together"):
        _native.attend_latents(q, c, visible[:1], 1.0, *fresh(2, 4), None)
    with pytest.raises(ValueError, match="parts of the state"):
        _native.attend_latents(q, c, visible, 1.0, *fresh(3, 4)[:2], fresh(2, 4)[2], None)
