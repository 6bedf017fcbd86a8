"""The native runner's own checks: a malformed program or cache is a ValueError that names the op, never a crash."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fathom._native import Cache, Matrix, Runner

X, KV, Q, OUT, LOGITS = range(5)
WIDTHS = [8, 6, 10, 6, 11]  # hidden, rank 4 + rope 2, 2 heads x (3 + 2), 2 heads x 3, vocabulary
MAX_TOKENS = 512


def matrix(rows: int, cols: int) -> Matrix:
    values = np.linspace(-1, 1, rows * cols, dtype=np.float32)
    return Matrix.dense(values.view(np.uint8), "F32", rows, cols)


def view(buffer: int) -> tuple[int, int, int]:
    return buffer, 0, WIDTHS[buffer]


def program() -> list[list[Any]]:
    sizes = {"heads": 2.0, "nope": 3.0, "rope": 2.0, "v": 3.0, "rank": 4.0, "layer": 0.0, "scale": 0.5}
    turn = {"heads": 2, "stride": 5, "offset": 3, "dim": 2, "interleave": 1, "inv_freq": [1.0], "cos_sin_factor": 1.0}
    return [
        ["embedding", "embed", [], view(X), [matrix(11, 8)], {}],
        ["rms_norm", "norm", [view(X)], view(X), [np.ones(8, np.float32)], {"eps": 1e-6}],
        ["linear", "q", [view(X)], view(Q), [matrix(10, 8), np.zeros(10, np.float32)], {}],
        ["linear", "kv", [view(X)], view(KV), [matrix(6, 8)], {}],
        ["rope", "turn", [view(Q)], view(Q), [], turn],
        ["latent_attention", "attention", [view(Q), view(KV)], view(OUT), [matrix(12, 4)], sizes],
        ["linear", "out", [view(OUT)], view(X), [matrix(8, 6)], {}],
        ["head", "head", [view(X)], view(LOGITS), [matrix(11, 8)], {"tail": 1}],
    ]


def run(ops: list[list[Any]], tokens: list[int], **kw: Any) -> np.ndarray:
    runner = Runner([tuple(op) for op in ops], WIDTHS, 2)
    logits = np.full((len(tokens), 11), np.nan, np.float32)
    runner.forward(np.array(tokens, np.int32), Cache(runner.layers, runner.cache_width), logits, **kw)
    return logits


def test_a_small_program_runs() -> None:
    logits = run(program(), [1, 2, 3])
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() > 0
    np.testing.assert_allclose(logits, run(program(), [1, 2, 3], form="expanded"), atol=1e-5)


def test_seconds_of_each_op_add_up_over_calls() -> None:
    seconds = np.zeros(len(program()))
    started = time.perf_counter()
    run(program(), [1, 2, 3], seconds=seconds)
    once = seconds.copy()
    run(program(), [1, 2, 3], seconds=seconds)
    assert (once >= 0).all()
    assert (seconds >= once).all()
    assert 0 < seconds.sum() < time.perf_counter() - started
    with pytest.raises(ValueError, match="seconds need one place for each op"):
        run(program(), [1], seconds=seconds[1:].copy())


def test_rotary_angles_are_products_in_float32_as_the_official_code_has_them() -> None:
    """A float64 product would turn far positions otherwise: at 3 * 1234567.875 by an eighth of a radian."""
    ops, seen = program(), {}
    ops[4][5]["inv_freq"] = [1234567.875]
    run(ops, [1, 2, 3, 4], observer=lambda op, rows: seen.update({op: rows}))
    before, after = seen[2].reshape(4, 2, 5)[..., 3:], seen[4].reshape(4, 2, 5)[..., 3:]  # (T, heads, pair)
    angle = np.arange(4, dtype=np.float32)[:, None] * np.float32(1234567.875)
    turned = (before[..., 0] + 1j * before[..., 1]) * np.exp(1j * angle.astype(np.float64))
    np.testing.assert_allclose(after, np.stack([turned.real, turned.imag], -1), atol=1e-5)


def plant(op: int, field: int, value: Any) -> Callable[[list[list[Any]]], None]:
    def change(ops: list[list[Any]]) -> None:
        ops[op][field] = value

    return change


def drop_attr(op: int, key: str) -> Callable[[list[list[Any]]], None]:
    return lambda ops: ops[op][5].pop(key)


def set_attr(op: int, key: str, value: Any) -> Callable[[list[list[Any]]], None]:
    return lambda ops: ops[op][5].update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (plant(2, 0, "convolution"), "unknown op 'convolution' \\(q\\)"),
        (plant(2, 3, (Q, 1, 10)), "q \\(linear\\): a view lies outside its buffer"),
        (plant(2, 3, (9, 0, 10)), "q \\(linear\\): a view lies outside its buffer"),
        (plant(2, 3, (Q, 0, 0)), "a view lies outside its buffer"),
        (plant(2, 4, [matrix(10, 7)]), "shape \\(10, 7\\) instead of \\(10, 8\\)"),
        (plant(2, 4, []), "0 matrices instead of 1"),
        (plant(2, 4, [matrix(10, 8), np.zeros(9, np.float32)]), "the bias has another width"),
        (plant(1, 4, [np.ones(7, np.float32)]), "norm \\(rms_norm\\): widths differ"),
        (drop_attr(1, "eps"), "attribute eps is missing"),
        (set_attr(4, "inv_freq", [1.0, 2.0]), "dim / 2 frequencies"),
        (set_attr(4, "heads", 3), "heads exceed the view"),
        (set_attr(5, "heads", 2.5), "attribute heads is not a whole number"),
        (set_attr(5, "rank", 5), "kv_a has another width"),
        (plant(5, 4, [matrix(12, 5)]), "instead of \\(12, 4\\)"),
        (plant(5, 4, [matrix(8, 3), matrix(6, 5)]), "instead of \\(6, 4\\)"),
        (lambda ops: ops.pop(), "needs an embedding, latent attention and a head"),
        (lambda ops: ops.insert(0, ops.pop()), "the head must come last"),
        (drop_attr(7, "tail"), "the head must come last"),
    ],
)
def test_a_malformed_program_is_named(change: Callable[[list[list[Any]]], None], message: str) -> None:
    ops = program()
    change(ops)
    with pytest.raises(ValueError, match=message) as error:
        run(ops, [1])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("tokens", [[11], [-1], [0, 1, 2**31 - 1]])
def test_token_ids_out_of_range_are_refused_before_anything_runs(tokens: list[int]) -> None:
    runner, cache = Runner([tuple(op) for op in program()], WIDTHS, 1), Cache(1, 6)
    with pytest.raises(ValueError, match=r"token id .* is not in 0\.\.10"):
        runner.forward(np.array(tokens, np.int32), cache, np.empty((1, 11), np.float32))
    assert cache.tokens == 0


@pytest.mark.parametrize(
    ("tokens", "cache", "logits", "form", "message"),
    [
        (3, Cache(1, 7), (1, 11), "auto", "the cache is of another model: 1 layers x 7 instead of 1 x 6"),
        (3, Cache(2, 6), (1, 11), "auto", "the cache is of another model"),
        (3, Cache(1, 6), (1, 12), "auto", "logits have 12 columns, not vocab_size 11"),
        (3, Cache(1, 6), (4, 11), "auto", "logits of 4 out of 3 tokens"),
        (0, Cache(1, 6), (0, 11), "auto", "0 tokens in one pass"),
        (MAX_TOKENS + 1, Cache(1, 6), (0, 11), "auto", "513 tokens in one pass"),
        (3, Cache(1, 6), (1, 11), "absorbent", "form 'absorbent' is not auto, absorbed or expanded"),
    ],
)
def test_calls_that_do_not_fit_are_refused(
    tokens: int, cache: Cache, logits: tuple[int, int], form: str, message: str
) -> None:
    runner = Runner([tuple(op) for op in program()], WIDTHS, 1)
    with pytest.raises(ValueError, match=message):
        runner.forward(np.ones(tokens, np.int32), cache, np.empty(logits, np.float32), form)
    assert cache.tokens == 0


def test_pages_come_and_go_with_the_length() -> None:
    runner = Runner([tuple(op) for op in program()], WIDTHS, 1)
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        cache = Cache(1, 6, dtype)
        assert (cache.tokens, cache.nbytes, cache.dtype) == (0, 0, dtype)
        runner.forward(np.ones(65, np.int32), cache, np.empty((0, 11), np.float32))
        assert (cache.tokens, cache.nbytes) == (65, 2 * 64 * 6 * size)
        cache.truncate(64)
        assert (cache.tokens, cache.nbytes) == (64, 64 * 6 * size)
        with pytest.raises(ValueError, match="cannot truncate a cache of 64 tokens to 65"):
            cache.truncate(65)
        cache.truncate(0)
        assert cache.nbytes == 0


@pytest.mark.parametrize(("layers", "width", "dtype"), [(0, 6, "float32"), (1, 0, "float32"), (1, 6, "float16")])
def test_caches_that_make_no_sense_are_refused(layers: int, width: int, dtype: str) -> None:
    with pytest.raises(ValueError, match="cache"):
        Cache(layers, width, dtype)
