"""Rounding by inputs: never worse than plain rounding by what was seen, and better on inputs that were not."""

from __future__ import annotations

import numpy as np
import pytest

from fathom._native import Matrix
from fathom.convert.rounding import Seen, pack_codes, round_by_inputs, round_plain

ROWS, COLS = 48, 128


def layer(seed: int, tokens: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, and two sets of inputs: few directions, of channels that differ by orders of magnitude."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_t(4, (ROWS, COLS)).astype(np.float32) * np.float32(0.02)
    mixing = rng.standard_normal((COLS // 4, COLS)) * np.exp(rng.standard_normal(COLS))
    inputs = [
        rng.standard_t(4, (tokens, COLS // 4)) @ mixing + rng.standard_normal((tokens, COLS)) * 0.3 for _ in range(2)
    ]
    return weights, *(x.astype(np.float32) for x in inputs)


def inputs_of(x: np.ndarray) -> Seen:
    return Seen(x.T @ x, len(x))


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("seed", range(8))
def test_calibrated_outputs_are_nearer_than_plain_ones(seed: int, group: int) -> None:
    weights, seen, unseen = layer(seed, 1024)
    rounded = round_by_inputs(weights, inputs_of(seen), group).values
    plain = round_plain(weights, group).values
    for x, factor in ((seen, 0.45), (unseen, 0.5)):
        inputs = inputs_of(x)
        assert inputs.output_error(weights, rounded) < factor * inputs.output_error(weights, plain)


@pytest.mark.parametrize("tokens", [1, 5, 40])
def test_no_row_is_worse_on_what_was_seen(tokens: int) -> None:
    weights, seen, _ = layer(0, tokens)
    rounded = round_by_inputs(weights, inputs_of(seen), 32).values
    plain = round_plain(weights, 32).values
    errors = [np.square((weights - q).astype(np.float64) @ seen.T).sum(1) for q in (rounded, plain)]
    assert (errors[0] <= errors[1] * (1 + 1e-4)).all()


def test_error_is_that_of_the_outputs() -> None:
    weights, seen, _ = layer(1, 300)
    plain = round_plain(weights, 64).values
    expected = np.linalg.norm((weights - plain) @ seen.T) / np.linalg.norm(weights @ seen.T)
    assert inputs_of(seen).output_error(weights, plain) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("rows", "cols", "group"), [(48, 128, 32), (33, 256, 128), (5, 96, 32), (16, 64, 64)])
def test_plain_rounding_packs_to_the_bytes_of_the_native_packer(rows: int, cols: int, group: int) -> None:
    weights = np.random.default_rng(2).standard_normal((rows, cols)).astype(np.float32)
    native = Matrix.pack(weights.reshape(-1).view(np.uint8), "F32", rows, cols, 4, group)
    packed = pack_codes(round_plain(weights, group), cols, group)
    assert packed.spec == native.spec
    assert packed.blob().tobytes() == native.blob().tobytes()


def test_packed_codes_and_scales_come_back_exactly() -> None:
    weights, seen, _ = layer(3, 200)
    rounded = round_by_inputs(weights, inputs_of(seen), 64)
    assert np.array_equal(pack_codes(rounded, COLS, 64).unpack(), rounded.values)


def test_without_inputs_rounding_is_plain() -> None:
    weights, _, _ = layer(4, 1)
    rounded = round_by_inputs(weights, Seen(np.zeros((COLS, COLS), np.float32), 0), 32)
    assert np.array_equal(rounded.values, round_plain(weights, 32).values)


def test_rows_and_columns_of_zeros_stay_zero() -> None:
    weights, seen, _ = layer(5, 200)
    weights[3], seen[:, 7] = 0, 0
    assert not round_by_inputs(weights, inputs_of(seen), 32).values[3].any()


@pytest.mark.parametrize("seed", range(4))
def test_few_tokens_are_not_fitted_too_closely(seed: int) -> None:
    weights, seen, unseen = layer(seed, 1024)
    plain, rounded = round_plain(weights, 32).values, round_by_inputs(weights, inputs_of(seen[:40]), 32).values
    assert inputs_of(unseen).output_error(weights, rounded) < inputs_of(unseen).output_error(weights, plain)
