"""Every kernel at every level equals numpy over ragged shapes, and never depends on what else is in the call."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fathom import _native
from fathom._native import Matrix

Floats = NDArray[np.float32]
LEVELS = _native.levels()
FAST = LEVELS[:-1]
ROWS = [1, 15, 16, 17, 33, 600]
COLS = [32, 48, 64, 100, 160, 256, 1408]
TOKENS = [0, 1, 2, 3, 5, 8, 17]
DENSE = ["F32", "F16", "BF16"]
# name -> bits and group of a rounded matrix, or a two-level GGUF type with columns in 256s
ROUNDED = {f"int{bits}/{group}": (bits, group) for bits in (4, 8) for group in (32, 64, 128)}
TWO_LEVEL = {"Q4_K": (144, (0, 2)), "Q5_K": (176, (0, 2)), "Q6_K": (210, (208,))}
KINDS = [*DENSE, *ROUNDED, *TWO_LEVEL]
PACKED = [*ROUNDED, *TWO_LEVEL]


def matrix_of(kind: str, rows: int, cols: int, seed: int = 0) -> Matrix:
    rng = np.random.default_rng(seed)
    if kind in TWO_LEVEL:
        size, offsets = TWO_LEVEL[kind]
        blocks = rng.integers(0, 256, (rows, cols // 256, size), dtype=np.uint8)
        for offset in offsets:
            scale = (rng.standard_normal((rows, cols // 256, 1)) * 1e-3).astype(np.float16)
            blocks[:, :, offset : offset + 2] = scale.view(np.uint8)
        return Matrix.pack(blocks.reshape(-1), kind, rows, cols, 0)
    w = rng.standard_normal((rows, cols)).astype(np.float32)
    if kind in ROUNDED:
        return Matrix.pack(w.view(np.uint8).reshape(-1), "F32", rows, cols, *ROUNDED[kind])
    if kind == "BF16":
        return Matrix.dense((w.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(-1), kind, rows, cols)
    return Matrix.dense(
        w.astype({"F32": np.float32, "F16": np.float16}[kind]).view(np.uint8).reshape(-1), kind, rows, cols
    )


def shapes(kind: str) -> list[tuple[int, int]]:
    """Every row count and every column count, without the whole grid."""
    cols = [256, 512, 1536] if kind in TWO_LEVEL else COLS
    return [(rows, cols[i % len(cols)]) for i, rows in enumerate(ROWS)] + [(17, c) for c in cols]


def activations(n: int, k: int, seed: int = 1) -> Floats:
    x = np.random.default_rng(seed).standard_normal((n, k)).astype(np.float32)
    x[1:2, : k // 2] = 0  # whole blocks of zeros
    return x


def assert_close(found: Floats, exact: NDArray[np.float64], magnitude: NDArray[np.float64]) -> None:
    """Errors against the sum of |terms|: what float32 sums in any order keep."""
    assert found.shape == exact.shape
    assert found.dtype == np.float32
    assert (np.abs(found - exact) <= 2e-6 * magnitude + 1e-30).all()


def dequantized(x: Floats) -> NDArray[np.float64]:
    """What int8 rounding leaves of x, from the definition."""
    n, k = x.shape
    padded = -(-k // 64) * 64
    blocks = np.zeros((n, padded), np.float32)
    blocks[:, :k] = x
    blocks = blocks.reshape(n, padded // 64, 64)
    largest = np.abs(blocks).max(-1, keepdims=True)
    q = np.rint(blocks * np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=largest > 0))
    return (q.astype(np.float64) * (largest / np.float32(127))).reshape(n, padded)[:, :k]


# ---- products ----


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", DENSE)
def test_linear(kind: str, level: str) -> None:
    for rows, cols in shapes(kind):
        matrix = matrix_of(kind, rows, cols)
        w = matrix.unpack().astype(np.float64)
        for n in TOKENS:
            x = activations(n, cols)
            assert_close(matrix.linear(x, level=level), x @ w.T, np.abs(x) @ np.abs(w.T))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", DENSE)
def test_linear_t(kind: str, level: str) -> None:
    for rows, cols in shapes(kind):
        matrix = matrix_of(kind, rows, cols)
        w = matrix.unpack().astype(np.float64)
        for n in TOKENS:
            x = activations(n, rows)
            assert_close(matrix.linear_t(x, level=level), x @ w, np.abs(x) @ np.abs(w))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", PACKED)
def test_linear_int8(kind: str, level: str) -> None:
    for rows, cols in shapes(kind):
        matrix = matrix_of(kind, rows, cols)
        w = matrix.unpack().astype(np.float64)
        offset = np.abs(w).max() if matrix.spec["min"] else 0.0  # the minimum is taken off a sum of its own
        for n in TOKENS:
            x = activations(n, cols)
            rounded = dequantized(x)
            found = matrix.linear(x, level=level)
            assert_close(found, rounded @ w.T, np.abs(rounded) @ (np.abs(w.T) + offset))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["int4/32", "int8/32", "Q4_K", "Q5_K", "Q6_K"])
def test_linear_int8_with_the_largest_operands(kind: str, level: str) -> None:
    """Extreme codes beside activations of +-127: nothing saturates on the way."""
    cols = 512
    matrix = matrix_of(kind, 32, cols)
    memory = np.empty(matrix.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    blob = memory[start : start + matrix.nbytes]
    for code in (0x00, 0xFF):
        blob[:] = matrix.blob()
        blob[: 32 * cols // (2 if matrix.type == "int4" else 1)] = code
        extreme = Matrix.view(blob, matrix.spec)
        w = extreme.unpack().astype(np.float64)
        for x in (np.ones((3, cols), np.float32), -np.ones((3, cols), np.float32)):
            offset = np.abs(w).max() if matrix.spec["min"] else 0.0
            assert_close(extreme.linear(x, level=level), x @ w.T, np.abs(x) @ (np.abs(w.T) + offset))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_and_a_row_never_depend_on_their_company(kind: str, level: str) -> None:
    """Bit for bit: one token alone, a few, all; and one row block alone or with the others."""
    rows, cols = 53, 768 if kind in TWO_LEVEL else 740
    matrix = matrix_of(kind, rows, cols)
    x, xt = activations(17, cols), activations(17, rows)
    products = [(lambda m, v: m.linear(v, level=level), x)]
    if kind in DENSE:
        products.append((lambda m, v: m.linear_t(v, level=level), xt))
    for product, inputs in products:
        together = product(matrix, inputs)
        for size in (1, 2, 3, 4, 7):
            parts = [product(matrix, inputs[i : i + size]) for i in range(0, 17, size)]
            np.testing.assert_array_equal(np.concatenate(parts), together)
    whole = matrix.linear(x, level=level)
    for first, last in ((0, 1), (0, 16), (3, 14), (16, 48), (13, 35), (52, 53), (20, 20)):
        part = matrix.linear(x, level=level, row0=first, row1=last)
        np.testing.assert_array_equal(part, whole[:, first:last])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", DENSE)
def test_linear_t_over_some_rows_leaves_the_others_out(kind: str, level: str) -> None:
    matrix = matrix_of(kind, 53, 256)
    for first, last in ((0, 53), (0, 16), (3, 14), (13, 35), (52, 53), (20, 20)):
        x = np.zeros((3, 53), np.float32)
        x[:, first:last] = activations(3, last - first)
        part = matrix.linear_t(np.ascontiguousarray(x[:, first:last]), level=level, row0=first, row1=last)
        np.testing.assert_array_equal(part, matrix.linear_t(x, level=level))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_decoded_exactly(kind: str, level: str) -> None:
    matrix = matrix_of(kind, 17, 512)
    for r in (0, 1, 15, 16):
        np.testing.assert_array_equal(matrix.row(r, level), matrix.unpack(r, r + 1)[0])


@pytest.mark.parametrize("level", LEVELS)
def test_bad_operands_are_refused(level: str) -> None:
    dense, packed = matrix_of("F32", 3, 40), matrix_of("int4/32", 3, 40)
    wide = np.zeros((2, 41), np.float32)
    for matrix in (dense, packed):
        with pytest.raises(ValueError, match="input is 41 wide, the matrix has 40 columns"):
            matrix.linear(wide, level=level)
        with pytest.raises(ValueError, match="input is 41 wide, the matrix has 3 rows"):
            matrix.linear_t(wide, level=level)
    with pytest.raises(ValueError, match="needs a dense matrix"):
        packed.linear_t(wide[:, :3].copy(), level=level)
    with pytest.raises(ValueError, match="row 3 of a matrix of 3 rows"):
        dense.row(3, level)
    for ranged in (dense.unpack, lambda a, b: dense.linear(wide, row0=a, row1=b)):
        for first, last in ((2, 5), (-1, 2), (2, 1)):
            with pytest.raises(ValueError, match=f"rows {first} to {last} of a matrix of 3 rows"):
                ranged(first, last)


@pytest.mark.parametrize("level", LEVELS)
def test_a_broken_activation_shows_in_the_result(level: str) -> None:
    matrix = matrix_of("int8/32", 16, 64)
    for value in (np.nan, np.inf, -np.inf):
        x = activations(2, 64)
        x[0, 40] = value
        y = matrix.linear(x, level=level)
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1]).all()


# ---- activations to int8 ----


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=80, deadline=None)
@given(st.integers(1, 100), st.integers(0, 3), st.floats(-45, 38), st.integers(0, 2**32 - 1))
def test_quantize_rows_follows_the_definition(level: str, k: int, n: int, exponent: float, seed: int) -> None:
    x = (np.random.default_rng(seed).standard_normal((n, k)) * 10.0**exponent).clip(-3.4e38, 3.4e38).astype(np.float32)
    q, scale, sums = _native.quantize_rows(x, level)
    padded = -(-k // 64) * 64
    assert q.shape == (n, padded)
    blocks = np.zeros((n, padded), np.float32)
    blocks[:, :k] = x
    blocks = blocks.reshape(n, padded // 64, 64)
    largest = np.abs(blocks).max(-1)
    rounds = largest >= 128 * np.finfo(np.float32).tiny
    np.testing.assert_array_equal(scale, np.where(rounds, largest / np.float32(127), 0))
    inverse = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=rounds)
    np.testing.assert_array_equal(q, np.rint(blocks * inverse[..., None]).reshape(n, padded).astype(np.int8))
    assert q.min(initial=0) >= -127
    np.testing.assert_array_equal(sums, q.reshape(n, padded // 16, 16).sum(-1, dtype=np.int32))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_quantize_rows_marks_a_broken_block(value: float, level: str) -> None:
    x = activations(1, 192)
    x[0, 65] = value
    q, scale, sums = _native.quantize_rows(x, level)
    assert np.isnan(scale[0]).tolist() == [False, True, False]
    assert not q[0, 64:128].any()
    assert not sums[0, 4:8].any()


# ---- small kernels ----

SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 100, 2048]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k", SIZES)
def test_elementwise_kernels(k: int, level: str) -> None:
    rng = np.random.default_rng(k)
    a, b = (rng.standard_normal(k).astype(np.float32) * 3 for _ in range(2))
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    norm = wide_a / np.sqrt((wide_a**2).mean() + 1e-6) * wide_b
    np.testing.assert_allclose(_native.rms_norm(a, b, 1e-6, level), norm, rtol=1e-6)
    np.testing.assert_allclose(_native.silu_mul(a, b, level), wide_a / (1 + np.exp(-wide_a)) * wide_b, rtol=6e-7)
    np.testing.assert_allclose(_native.axpy(0.7, a, b, level), np.float32(0.7) * wide_a + wide_b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_silu_over_its_whole_range(level: str) -> None:
    x = np.concatenate([np.linspace(-120, 120, 5001), [0.0, -0.0, np.inf, 3e38, -3e38, 1e-40]]).astype(np.float32)
    found = _native.silu_mul(x, np.ones_like(x), level)
    wide = x.astype(np.float64)
    with np.errstate(over="ignore"):
        expected = wide / (1 + np.exp(-wide))
    np.testing.assert_allclose(found, expected, rtol=4e-7, atol=2e-35)
    assert np.isnan(_native.silu_mul(np.full(20, np.nan, np.float32), np.ones(20, np.float32), level)).all()


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40))
def test_bfloat16_rounds_to_nearest_even(level: str, bits: list[int]) -> None:
    raw = np.array(bits, np.uint32)
    x = raw.view(np.float32)
    found = _native.to_bf16(x, level)
    nan = np.isnan(x)
    expected = ((raw.astype(np.uint64) + 0x7FFF + ((raw >> 16) & 1)) >> 16).astype(np.uint16)
    np.testing.assert_array_equal(found[~nan], expected[~nan])
    back = _native.from_bf16(found, level)
    np.testing.assert_array_equal(np.isnan(back), nan)
    np.testing.assert_array_equal(back[~nan].view(np.uint32), expected[~nan].astype(np.uint32) << 16)


# ---- attention ----

State = tuple[Floats, Floats, Floats]


def fresh(n_q: int, dv: int) -> State:
    return np.full(n_q, -np.inf, np.float32), np.zeros(n_q, np.float32), np.zeros((n_q, dv), np.float32)


def softmax_attention(q: Floats, k: Floats, v: Floats, visible: NDArray[np.int32], scale: float) -> NDArray[np.float64]:
    score = scale * q.astype(np.float64) @ k.astype(np.float64).T
    score[np.arange(len(k))[None] >= visible[:, None]] = -np.inf
    p = np.exp(score - score.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True) @ v.astype(np.float64)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("n_q", "dk", "dv", "n_k"),
    [
        (1, 1, 1, 1),
        (3, 7, 5, 9),
        (5, 24, 16, 63),
        (16, 576, 512, 64),
        (17, 192, 128, 64),
        (2, 40, 33, 65),
        (4, 16, 8, 200),
    ],
)
def test_attention_in_blocks_is_softmax(n_q: int, dk: int, dv: int, n_k: int, level: str) -> None:
    rng = np.random.default_rng(n_k)
    q = rng.standard_normal((n_q, dk)).astype(np.float32)
    k = rng.standard_normal((n_k, dk)).astype(np.float32)
    v = rng.standard_normal((n_k, dv)).astype(np.float32)
    visible = np.minimum(rng.integers(1, n_k + 2, n_q), n_k).astype(np.int32)
    expected = softmax_attention(q, k, v, visible, 0.2)
    for size in (n_k, 64, 5):
        m, total, acc = fresh(n_q, dv)
        for start in range(0, n_k, size):
            keys, values = k[start : start + size], v[start : start + size]
            m, total, acc = _native.attend(q, keys, values, visible - start, 0.2, m, total, acc, level)
        np.testing.assert_allclose(acc / total[:, None], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_latent_attention_takes_values_from_the_keys(level: str) -> None:
    rng = np.random.default_rng(0)
    q, cache = rng.standard_normal((16, 36)).astype(np.float32), rng.standard_normal((64, 36)).astype(np.float32)
    visible = np.full(16, 64, np.int32)
    _, total, acc = _native.attend(q, cache, cache, visible, 0.2, *fresh(16, 32), level)
    expected = softmax_attention(q, cache, cache[:, :32], visible, 0.2)
    np.testing.assert_allclose(acc / total[:, None], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_a_query_never_depends_on_its_company(level: str) -> None:
    rng = np.random.default_rng(3)
    q, k, v = (rng.standard_normal((s, 48)).astype(np.float32) for s in (21, 64, 64))
    visible = rng.integers(0, 65, 21).astype(np.int32)
    together = _native.attend(q, k, v, visible, 0.3, *fresh(21, 40), level)
    for i in range(21):  # alone, and with only the keys it sees
        for keys in (64, max(1, int(visible[i]))):
            one = _native.attend(q[i : i + 1], k[:keys], v[:keys], visible[i : i + 1], 0.3, *fresh(1, 40), level)
            for part, whole in zip(one, together, strict=True):
                np.testing.assert_array_equal(part[0], whole[i])
    unseeing = visible == 0
    assert (together[0][unseeing] == -np.inf).all()
    assert not together[1][unseeing].any()
    assert not together[2][unseeing].any()


@pytest.mark.parametrize("level", LEVELS)
def test_attention_with_extreme_scores(level: str) -> None:
    q = np.array([[1000.0], [-1000.0], [1e-30]], np.float32)
    k = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    v = np.arange(64, dtype=np.float32)[:, None]
    visible = np.full(3, 64, np.int32)
    m, total, acc = _native.attend(q, k, v, visible, 1.0, *fresh(3, 1), level)
    np.testing.assert_allclose((acc[:, 0] / total)[:2], [63, 0], atol=1e-4)
    np.testing.assert_allclose(acc[2, 0] / total[2], 31.5, rtol=1e-5)
    m, total, acc = _native.attend(q, k * 0 - 1e5, v, visible, 1.0, m, total, acc, level)
    np.testing.assert_allclose(acc[0, 0] / total[0], 63, rtol=1e-5)  # far lower keys change nothing
    broken = _native.attend(q * np.float32(np.nan), k, v, visible, 1.0, *fresh(3, 1), level)
    assert np.isnan(broken[2] / broken[1][:, None]).all()


# ---- levels ----


def run_with(level: str) -> subprocess.CompletedProcess[str]:
    code = "from fathom import _native; print(_native.level())"
    env = os.environ | {"FATHOM_CPU": level, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("level", LEVELS)
def test_fathom_cpu_forces_a_level(level: str) -> None:
    assert run_with(level).stdout.strip() == level


def test_fathom_cpu_refuses_what_it_does_not_know() -> None:
    for unknown in ("AVX2", "sse"):
        done = run_with(unknown)
        assert done.returncode == 1
        assert f"FATHOM_CPU: unknown instruction level '{unknown}'; known: portable, avx2, avx512, amx" in done.stderr
    assert run_with("").stdout.strip() == LEVELS[0]


def test_levels() -> None:
    assert LEVELS[-1] == "portable"
    assert len(set(LEVELS)) == len(LEVELS)
    assert _native.level() in LEVELS
    features = _native.cpu_features()
    assert ("avx2" in LEVELS) <= features["avx2"]
    assert ("avx512" in LEVELS) <= features["avx512vnni"]
    with pytest.raises(RuntimeError, match="unknown instruction level 'mmx'"):
        _native.to_bf16(np.zeros(1, np.float32), "mmx")
