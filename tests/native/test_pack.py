"""Packing: GGUF blocks keep every value bit for bit; dense weights are rounded plainly; hostile sizes are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fathom._native import Matrix

# type -> (columns a block, bytes a block, offsets of its half-precision scales)
BLOCKS = {
    "Q8_0": (32, 34, (0,)),
    "Q4_0": (32, 18, (0,)),
    "Q5_0": (32, 22, (0,)),
    "Q4_K": (256, 144, (0, 2)),
    "Q5_K": (256, 176, (0, 2)),
    "Q6_K": (256, 210, (208,)),
}
SPECIAL_HALVES = np.array([0.0, -0.0, 6e-8, -6e-8, 5.9e-5, 1.0, -1.0, 65504.0, -65504.0], np.float16)


def random_blocks(source: str, rows: int, blocks: int, seed: int) -> NDArray[np.uint8]:
    """Random bytes with finite scales, special ones among them. (rows, blocks * bytes)"""
    rng = np.random.default_rng(seed)
    _, size, offsets = BLOCKS[source]
    data = rng.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    if source == "Q8_0":
        data[:, :, 2] = 0x80  # -128
    for offset in offsets:
        scale = (rng.standard_normal((rows, blocks)) * 0.01).astype(np.float16)
        special = rng.random((rows, blocks)) < 0.3
        scale[special] = rng.choice(SPECIAL_HALVES, int(special.sum()))
        data[:, :, offset : offset + 2] = scale[:, :, None].view(np.uint8)
    return data.reshape(rows, blocks * size)


def same_bits(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.shape == b.shape and bool((a.view(np.uint32) == b.view(np.uint32)).all())


@pytest.mark.parametrize("source", BLOCKS)
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33])
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_gguf_blocks_keep_every_value_bit_for_bit(source: str, rows: int, blocks: int) -> None:
    data = random_blocks(source, rows, blocks, seed=rows * 10 + blocks)
    expected = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[source])
    matrix = Matrix.pack(data.reshape(-1), source, rows, blocks * BLOCKS[source][0], 0)
    assert same_bits(matrix.unpack(), expected)
    assert matrix.type == ("int4" if source in ("Q4_0", "Q4_K") else "int8")
    assert matrix.all_finite()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(BLOCKS)), st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_any_gguf_block_survives(source: str, seed: int, rows: int) -> None:
    data = random_blocks(source, rows, 1, seed)
    matrix = Matrix.pack(data.reshape(-1), source, rows, BLOCKS[source][0], 0)
    assert same_bits(matrix.unpack(), gguf.quants.dequantize(data, gguf.GGMLQuantizationType[source]))


@pytest.mark.parametrize("source", BLOCKS)
def test_a_large_matrix_is_packed_in_threads_to_the_same_values(source: str) -> None:
    columns = 1024
    data = random_blocks(source, 1500, columns // BLOCKS[source][0], seed=1)
    matrix = Matrix.pack(data.reshape(-1), source, 1500, columns, 0)
    assert same_bits(matrix.unpack(), gguf.quants.dequantize(data, gguf.GGMLQuantizationType[source]))


@pytest.mark.parametrize("source", BLOCKS)
def test_a_view_of_the_blob_is_the_same_matrix(source: str) -> None:
    data = random_blocks(source, 33, 2, seed=3)
    matrix = Matrix.pack(data.reshape(-1), source, 33, 2 * BLOCKS[source][0], 0)
    blob, spec = matrix.blob(), matrix.spec
    assert blob.nbytes == matrix.nbytes == Matrix.blob_bytes(spec)
    expected = matrix.unpack()
    del matrix  # the blob keeps its memory
    again = Matrix.view(blob, spec)
    assert again.spec == spec
    assert same_bits(again.unpack(), expected)
    assert same_bits(again.unpack(5, 20), expected[5:20])


@pytest.mark.parametrize("source", BLOCKS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_blocks_with_a_scale_that_is_not_finite_are_refused(source: str, value: float) -> None:
    columns, size, offsets = BLOCKS[source]
    for offset in offsets:
        data = random_blocks(source, 17, 3, seed=4).reshape(17, 3, size)
        data[16, 1, offset : offset + 2] = np.array([value], np.float16).view(np.uint8)
        with pytest.raises(ValueError, match="not finite"):
            Matrix.pack(data.reshape(-1), source, 17, 3 * columns, 0)


# ---- dense sources ----


def as_source(values: NDArray[np.float32], source: str) -> NDArray[np.uint8]:
    if source == "BF16":
        return (np.ascontiguousarray(values).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(-1)
    return values.astype({"F32": np.float32, "F16": np.float16}[source]).view(np.uint8).reshape(-1)


def from_source(data: NDArray[np.uint8], source: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    if source == "BF16":
        data = (data.view(np.uint16).astype(np.uint32) << 16).view(np.uint8)
        source = "F32"
    values: NDArray[np.float32] = data.view({"F32": np.float32, "F16": np.float16}[source]).astype(np.float32)
    return values.reshape(shape)


def rounded(w: NDArray[np.float32], bits: int, group: int) -> NDArray[np.float32]:
    """The plain twin of the packing in numpy."""
    rows, cols = w.shape
    padded = np.zeros((rows, -(-cols // group) * group), np.float32)
    padded[:, :cols] = w
    groups = padded.reshape(rows, -1, group)
    if bits == 8:
        scale = (np.abs(groups).max(-1) / np.float32(127)).astype(np.float16).astype(np.float32)
        low, high = -127, 127
    else:
        first = np.abs(groups).argmax(-1)[..., None]
        scale = (np.take_along_axis(groups, first, -1)[..., 0] / np.float32(-8)).astype(np.float16).astype(np.float32)
        low, high = -8, 7
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    codes = np.clip(np.rint(groups * inverse[..., None]), low, high)
    return (scale[..., None] * codes).reshape(rows, -1)[:, :cols]


@pytest.mark.parametrize("source", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("cols", "group", "fitted"),
    [(32, 32, 32), (64, 128, 64), (100, 128, 32), (256, 128, 128), (160, 64, 32), (1408, 128, 128), (7, 64, 32)],
)
def test_dense_weights_are_rounded_plainly(source: str, bits: int, cols: int, group: int, fitted: int) -> None:
    rng = np.random.default_rng(cols)
    data = as_source(rng.standard_normal((19, cols)).astype(np.float32), source)
    w = from_source(data, source, (19, cols))
    w[3, :32] = 0  # a group of zeros
    data = as_source(w, source)
    matrix = Matrix.pack(data, source, 19, cols, bits, group)
    assert matrix.spec == {
        "type": f"int{bits}",
        "rows": 19,
        "cols": cols,
        "group": fitted,
        "scale": "f16",
        "min": False,
    }
    np.testing.assert_array_equal(matrix.unpack(), rounded(w, bits, fitted))


@pytest.mark.parametrize("source", ["F32", "F16", "BF16"])
def test_dense_is_a_view(source: str) -> None:
    data = as_source(np.random.default_rng(0).standard_normal((5, 9)).astype(np.float32), source)
    matrix = Matrix.dense(data, source, 5, 9)
    np.testing.assert_array_equal(matrix.unpack(), from_source(data, source, (5, 9)))
    assert (matrix.type, matrix.rows, matrix.cols, matrix.nbytes) == (source, 5, 9, data.nbytes)
    data[:4] = 0
    assert matrix.unpack()[0, 0] == 0
    shifted = np.concatenate([np.zeros(1, np.uint8), data])[1:]  # files promise no alignment
    np.testing.assert_array_equal(Matrix.dense(shifted, source, 5, 9).unpack(), from_source(data, source, (5, 9)))


@pytest.mark.parametrize("source", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_found(source: str, value: float) -> None:
    w = np.ones((40, 32), np.float32)
    assert Matrix.dense(as_source(w, source), source, 40, 32).all_finite()
    w[39, 31] = value
    data = as_source(w, source)
    assert not Matrix.dense(data, source, 40, 32).all_finite()
    for bits in (4, 8):
        with pytest.raises(ValueError, match="not finite"):
            Matrix.pack(data, source, 40, 32, bits, 32)


def test_extreme_weights() -> None:
    huge = np.full((1, 32), 3e38, np.float32)
    with pytest.raises(ValueError, match="too large for a half-precision scale"):
        Matrix.pack(as_source(huge, "F32"), "F32", 1, 32, 8, 32)
    tiny = np.full((1, 32), 1e-20, np.float32)
    assert (Matrix.pack(as_source(tiny, "F32"), "F32", 1, 32, 4, 32).unpack() == 0).all()


def test_memory_is_given_back() -> None:
    def resident() -> int:
        return psutil.Process().memory_info().rss >> 20

    data = np.zeros(1024 * 1024 * 2, np.uint8)
    before = resident()
    small = [Matrix.pack(data, "F16", 1024, 1024, 8, 32) for _ in range(200)]  # 213 MB in slabs
    large = Matrix.pack(np.zeros(2**26, np.uint8), "F16", 2**15, 2**10, 8, 32)  # 36 MB of its own
    assert resident() - before > 230
    del small, large
    assert resident() - before < 100  # at most the current slab stays


def test_mapped_read_only_files_are_taken(tmp_path: Path) -> None:
    packed = Matrix.pack(random_blocks("Q4_0", 16, 2, 0).reshape(-1), "Q4_0", 16, 64, 0)
    (tmp_path / "blob").write_bytes(packed.blob().tobytes())
    mapped = np.memmap(tmp_path / "blob", np.uint8, mode="r")
    again = Matrix.view(mapped, packed.spec)
    del mapped
    assert same_bits(again.unpack(), packed.unpack())
    with pytest.raises(ValueError, match="read-only"):
        packed.blob()[0] = 0


def test_a_blob_with_a_bad_scale_is_found() -> None:
    matrix = Matrix.pack(random_blocks("Q4_K", 16, 2, 0).reshape(-1), "Q4_K", 16, 512, 0)
    memory = np.empty(matrix.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    blob = memory[start : start + matrix.nbytes]
    blob[:] = matrix.blob()
    assert Matrix.view(blob, matrix.spec).all_finite()
    blob[-1] = 0x7C  # the last half of the super minima
    blob[-2] = 0
    assert not Matrix.view(blob, matrix.spec).all_finite()


# ---- bad input ----

GOOD = {"type": "int4", "rows": 16, "cols": 256, "group": 32, "scale": "k", "min": True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "0 x 256"),
        ({"cols": -1}, "16 x -1"),
        ({"rows": 2**40}, "both sides"),
        ({"rows": 2**31 - 1, "cols": 2**31 - 256}, "at most 2"),
        ({"group": 48}, "48 columns"),
        ({"group": 0}, "0 columns"),
        ({"cols": 288}, "256s, not 288"),
        ({"type": "int2"}, "no packed type int2"),
        ({"scale": "f32"}, "no scale f32"),
        ({"scale": "f16"}, "minima"),
    ],
)
def test_impossible_specs_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Matrix.blob_bytes(GOOD | change)


@pytest.mark.parametrize("field", GOOD)
def test_a_spec_without_a_field_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"needs the field {field}"):
        Matrix.blob_bytes({key: value for key, value in GOOD.items() if key != field})


def test_bytes_that_do_not_fit_are_refused() -> None:
    data = np.zeros(128, np.uint8)
    with pytest.raises(ValueError, match="F32 4 x 9 takes 144 bytes, not 128"):
        Matrix.dense(data, "F32", 4, 9)
    with pytest.raises(ValueError, match="Q8_0 1 x 64 takes 68 bytes, not 128"):
        Matrix.pack(data, "Q8_0", 1, 64, 0)
    with pytest.raises(ValueError, match="Q4_K has columns in 256s, not 128"):
        Matrix.pack(data, "Q4_K", 1, 128, 0)
    with pytest.raises(ValueError, match="no exact repacking of Q3_K"):
        Matrix.pack(data, "Q3_K", 1, 256, 0)
    with pytest.raises(ValueError, match="no dense type Q8_0"):
        Matrix.pack(data, "Q8_0", 1, 32, 4, 32)
    with pytest.raises(ValueError, match="F16 2 x 32 takes 128 bytes, not 64"):
        Matrix.pack(data[:64], "F16", 2, 32, 4, 32)
    with pytest.raises(ValueError, match="3 bits"):
        Matrix.pack(data, "F16", 2, 32, 3, 32)
    with pytest.raises(ValueError, match="group of 256"):
        Matrix.pack(data, "F16", 2, 32, 4, 256)
    with pytest.raises(ValueError, match="takes"):
        Matrix.view(data, GOOD)


def test_a_misaligned_blob_is_refused() -> None:
    memory = np.zeros(Matrix.blob_bytes(GOOD) + 128, np.uint8)
    start = -memory.ctypes.data % 64 + 8
    with pytest.raises(ValueError, match="64 bytes"):
        Matrix.view(memory[start : start + Matrix.blob_bytes(GOOD)], GOOD)


def test_only_bytes_are_taken() -> None:
    for wrong in (np.zeros(32, np.float32), np.zeros((2, 64), np.uint8), np.zeros(256, np.uint8)[::2], [0] * 128, None):
        with pytest.raises(TypeError):
            Matrix.dense(wrong, "F32", 1, 32)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            Matrix.pack(wrong, "F32", 1, 32, 8, 32)  # type: ignore[arg-type]
