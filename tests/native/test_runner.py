"""The native runner's own checks: a malformed program or pass is a ValueError that says what, never a crash."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fathom._native import MAX_TOKENS, Matrix, Pages, Runner
from fathom.model.formats import PASS

X, KV, Q, OUT, LOGITS = range(5)
PAGES = Pages(1, 6, "float32", 8)
WIDTHS = [8, 6, 10, 6, 11]  # hidden, rank 4 + rope 2, 2 heads x (3 + 2), 2 heads x 3, vocabulary


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
    n = len(tokens)
    logits = np.full((n, 11), np.nan, np.float32)
    runner.forward(np.array(tokens, np.int32), PAGES, [(0, n, table(3), n)], logits, **kw)
    return logits


def table(*pages: int) -> np.ndarray:
    return np.array(pages, np.int32)


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


def test_the_longest_pass_is_what_memory_is_planned_for() -> None:
    assert MAX_TOKENS == PASS


HUGE = 2**62
TWO = table(0, 1)
FULL = table(*range(8))


@pytest.mark.parametrize(
    ("tokens", "segments", "message"),
    [
        ([1, 11, 1], [(0, 3, TWO, 1)], r"token id 11 is not in 0\.\.10"),
        ([1, -1, 1], [(0, 3, TWO, 1)], r"token id -1 is not in 0\.\.10"),
        ([2**31 - 1], [(0, 1, TWO, 1)], r"token id 2147483647 is not in"),
        ([], [], r"0 tokens in one pass"),
        ([1] * (MAX_TOKENS + 1), [(0, MAX_TOKENS + 1, table(*range(33)), 1)], "2049 tokens in one pass"),
        ([1], [], "segments of 0 tokens, not 1"),
        ([1, 1], [(0, 1, TWO, 1)], "segments of 1 tokens, not 2"),
        ([1, 1], [(0, 2, TWO, 1), (0, 2, table(3), 0)], "segments of 4 tokens, not 2"),
        ([1], [(0, 0, TWO, 0), (0, 1, TWO, 1)], "a segment of 0 out of 1 tokens"),
        ([1], [(0, -1, TWO, 1)], "a segment of -1 out of 1 tokens"),
        ([1], [(0, HUGE, TWO, 1)], "a segment of 4611686018427387904 out of 1"),
        ([1], [(-1, 1, TWO, 1)], "1 tokens from -1 on in a table of 128"),
        ([1], [(128, 1, TWO, 1)], "1 tokens from 128 on in a table of 128"),
        ([1], [(HUGE, 1, TWO, 1)], "1 tokens from 4611686018427387904 on in a table of 128"),
        ([1], [(0, 1, table(), 1)], "1 tokens from 0 on in a table of 0"),
        ([1], [(0, 1, table(-1), 1)], r"page -1 is not in 0\.\.7"),
        ([1], [(64, 1, table(8, 1), 1)], r"page 8 is not in 0\.\.7"),
        ([1] * 2, [(0, 1, table(3), 1), (65, 1, table(1, 3), 0)], "page 3 is written twice"),
        ([1] * 65, [(0, 65, table(2, 2), 1)], "page 2 is written twice"),
        ([1], [(0, 1, TWO, 2)], "logits of 2 out of 1 tokens"),
        ([1], [(0, 1, TWO, -1)], "logits of -1 out of 1 tokens"),
        ([1], [(0, 1, TWO, 0)], "segments want 0 rows of logits, not 1"),
        ([1] * 2, [(0, 2, TWO, 2)], "segments want 2 rows of logits, not 1"),
        ([1], [(0, 1, TWO.astype(np.int64), 1)], "a segment is"),
        ([1], [(0, 1, TWO.astype(np.float32), 1)], "a segment is"),
        ([1], [(0, 1, [0, 1], 1)], "a segment is"),
        ([1], [(0, 1, TWO[None], 1)], "a segment is"),
        ([1], [(0, 1, FULL[::2], 1)], "a segment is"),
        ([1], [(0.0, 1, TWO, 1)], "a segment is"),
        ([1], [(2**70, 1, TWO, 1)], "a segment is"),
        ([1], [(0, 1, TWO)], "a segment is"),
        ([1], [None], "a segment is"),
    ],
)
def test_passes_that_do_not_fit_are_refused_and_touch_nothing(
    tokens: list[int], segments: list[Any], message: str
) -> None:
    runner = Runner([tuple(op) for op in program()], WIDTHS, 1)
    everything = np.arange(512, dtype=np.int32) % 11
    runner.forward(everything, PAGES, [(0, 512, FULL, 1)], before := np.empty((1, 11), np.float32))
    with pytest.raises(ValueError, match=message):
        runner.forward(np.array(tokens, np.int32), PAGES, segments, np.empty((1, 11), np.float32))
    last = [(511, 1, FULL, 1)]  # its latent is written again; those of all others are read
    runner.forward(everything[-1:], PAGES, last, after := np.empty((1, 11), np.float32), "expanded")
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("pages", "logits", "form", "message"),
    [
        (Pages(1, 7, "float32", 1), (1, 11), "auto", "the cache is of another model: 1 layers x 7 instead of 1 x 6"),
        (Pages(2, 6, "float32", 1), (1, 11), "auto", "the cache is of another model"),
        (PAGES, (1, 12), "auto", "logits have 12 columns, not vocab_size 11"),
        (PAGES, (1, 11), "absorbent", "form 'absorbent' is not auto, absorbed or expanded"),
    ],
)
def test_calls_that_do_not_fit_are_refused(pages: Pages, logits: tuple[int, int], form: str, message: str) -> None:
    runner = Runner([tuple(op) for op in program()], WIDTHS, 1)
    with pytest.raises(ValueError, match=message):
        runner.forward(np.ones(3, np.int32), pages, [(0, 3, table(0), 1)], np.empty(logits, np.float32), form)


def test_an_attention_behind_the_last_one_is_refused() -> None:
    ops = program()
    ops[5][5]["tail"] = ops[6][5]["tail"] = 1
    with pytest.raises(ValueError, match="attention in the tail"):
        run(ops, [1])


def test_pages_are_address_space_until_they_are_written() -> None:
    pages = Pages(27, 576, "bfloat16", 100_000)  # 186 GiB
    assert (pages.layers, pages.width, pages.dtype, pages.count) == (27, 576, "bfloat16", 100_000)
    assert pages.page_bytes == 27 * 64 * 576 * 2
    assert Pages(27, 576, "float32", 1).page_bytes == 2 * pages.page_bytes
    assert Pages(27, 576, "int8", 1).page_bytes == 27 * 64 * (576 + 9 * 2)
    assert Pages(1, 65, "int8", 1).page_bytes == 64 * 2 * (64 + 2)


@pytest.mark.parametrize(
    ("layers", "width", "dtype", "count"),
    [
        (0, 6, "float32", 1),
        (1, 0, "float32", 1),
        (1, 6, "float16", 1),
        (1, 6, "int4", 1),
        (1, 6, "", 1),
        (2, 2**62, "int8", 1),
        (1, 6, "bfloat16", 0),
        (1, 6, "bfloat16", -1),
        (1, 6, "bfloat16", 2**31),
        (60, 576, "bfloat16", 2**31 - 1),
    ],
)
def test_pages_that_make_no_sense_are_refused(layers: int, width: int, dtype: str, count: int) -> None:
    with pytest.raises(ValueError, match="cache"):
        Pages(layers, width, dtype, count)
