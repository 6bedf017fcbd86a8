"""The AMX level, on tiles in software, equals the AVX-512 level bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from fathom import _native
from fathom._native import Matrix

LEVELS = _native.levels()
TILES = [level for level in ("amx", "amx-emulated") if level in LEVELS or level == "amx-emulated"]
needs_avx512 = pytest.mark.skipif("avx512" not in LEVELS, reason="the level builds on AVX-512")
ROUNDED = [(bits, group) for bits in (4, 8) for group in (32, 64, 128)]
TWO_LEVEL = {"Q4_K": (144, (0, 2)), "Q5_K": (176, (0, 2)), "Q6_K": (210, (208,))}
SHAPES = [(1, 64), (16, 100), (17, 256), (47, 160), (600, 192), (33, 1408)]
TOKENS = [1, 4, 5, 15, 16, 17, 31, 32, 33, 50]


def two_level(kind: str, rows: int, cols: int, rng: np.random.Generator) -> Matrix:
    size, offsets = TWO_LEVEL[kind]
    blocks = rng.integers(0, 256, (rows, cols // 256, size), dtype=np.uint8)
    for offset in offsets:
        scale = (rng.standard_normal((rows, cols // 256, 1)) * 1e-3).astype(np.float16)
        blocks[:, :, offset : offset + 2] = scale.view(np.uint8)
    return Matrix.pack(blocks.reshape(-1), kind, rows, cols, 0)


def assert_equal_bits(matrix: Matrix, level: str, rng: np.random.Generator) -> None:
    for n in TOKENS:
        x: NDArray[np.float32] = rng.standard_normal((n, matrix.cols)).astype(np.float32)
        ranges = [(0, matrix.rows)] + ([(5, matrix.rows - 3)] if matrix.rows > 8 else [])
        for row0, row1 in ranges:
            found = matrix.linear(x, level=level, row0=row0, row1=row1)
            exact = matrix.linear(x, level="avx512", row0=row0, row1=row1)
            assert found.tobytes() == exact.tobytes(), (n, row0, row1)


@needs_avx512
@pytest.mark.parametrize("level", TILES)
@pytest.mark.parametrize(("bits", "group"), ROUNDED)
def test_rounded_matrices(bits: int, group: int, level: str) -> None:
    rng = np.random.default_rng(bits * group)
    for rows, cols in SHAPES:
        w = rng.standard_normal((rows, cols)).astype(np.float32)
        assert_equal_bits(Matrix.pack(w.view(np.uint8).reshape(-1), "F32", rows, cols, bits, group), level, rng)


@needs_avx512
@pytest.mark.parametrize("level", TILES)
@pytest.mark.parametrize("kind", TWO_LEVEL)
def test_two_level_matrices(kind: str, level: str) -> None:
    rng = np.random.default_rng(1)
    for rows, cols in [(1, 256), (33, 512), (200, 256)]:
        assert_equal_bits(two_level(kind, rows, cols, rng), level, rng)


@needs_avx512
@pytest.mark.parametrize("level", TILES)
def test_a_token_that_is_not_finite_shows_it_and_spoils_no_other(level: str) -> None:
    rng = np.random.default_rng(2)
    w = rng.standard_normal((40, 128)).astype(np.float32)
    matrix = Matrix.pack(w.view(np.uint8).reshape(-1), "F32", 40, 128, 4, 64)
    x = rng.standard_normal((20, 128)).astype(np.float32)
    x[7, 70] = np.nan
    finite = np.isfinite(matrix.linear(x, level=level)).all(axis=1)
    assert finite.tolist() == [t != 7 for t in range(20)]


@pytest.mark.skipif("amx" in LEVELS, reason="this machine has tiles")
def test_a_machine_without_tiles_says_so() -> None:
    env = os.environ | {"FATHOM_CPU": "amx", "PYTHONPATH": os.pathsep.join(sys.path)}
    code = "from fathom import _native; print(_native.level())"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "FATHOM_CPU: instruction level amx can't be used here; usable: " in done.stderr
