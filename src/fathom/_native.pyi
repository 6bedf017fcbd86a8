"""The C++ extension: weight matrices and kernels (csrc/bind_matrix.cpp), program runner (csrc/bind_runner.cpp),
sampling (csrc/bind_sample.cpp).

Arrays are C-contiguous. Kernels take ``level``: an instruction level of :func:`levels`, None for the one in use.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Matrix:
    """A weight matrix of torch shape (rows, cols): dense rows, or int8/int4 codes packed 16 rows together."""

    @staticmethod
    def dense(data: NDArray[np.uint8], type: str, rows: int, cols: int) -> Matrix:
        """A view of raw row-major "F32", "F16" or "BF16" bytes; keeps the array alive."""
    @staticmethod
    def pack(data: NDArray[np.uint8], source: str, rows: int, cols: int, bits: int, group: int = 32) -> Matrix:
        """Round dense bytes to 4 or 8 bits, or repack GGUF blocks exactly (bits 0)."""
    @staticmethod
    def view(blob: NDArray[np.uint8], spec: dict[str, Any]) -> Matrix:
        """The packed matrix in a blob that :meth:`blob` gave; the blob must be aligned to 64 bytes."""
    @staticmethod
    def blob_bytes(spec: dict[str, Any]) -> int: ...
    def copy(self) -> Matrix:
        """The same values in memory of its own, on huge pages where the system has them."""
    def blob(self) -> NDArray[np.uint8]:
        """The bytes, read-only and without a copy."""
    @property
    def spec(self) -> dict[str, Any]:
        """type, rows, cols; packed ones also group, scale ("f16" | "k"), min."""
    @property
    def nbytes(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def cols(self) -> int: ...
    @property
    def type(self) -> str:
        """F32, F16, BF16, int8 or int4."""
    def unpack(self, row0: int = 0, row1: int | None = None) -> NDArray[np.float32]: ...
    def linear(
        self,
        x: NDArray[np.float32],
        level: str | None = None,
        row0: int = 0,
        row1: int | None = None,
    ) -> NDArray[np.float32]:
        """x W^T over the rows [row0, row1): (n, cols) -> (n, rows); for a packed W x is rounded to int8 first."""
    def linear_t(
        self, x: NDArray[np.float32], level: str | None = None, row0: int = 0, row1: int | None = None
    ) -> NDArray[np.float32]:
        """x W over the rows [row0, row1) of a dense W: (n, rows) -> (n, cols)."""
    def row(self, row: int, level: str | None = None) -> NDArray[np.float32]: ...
    def all_finite(self) -> bool: ...

def levels() -> list[str]:
    """Instruction levels usable here, best first."""

def level() -> str:
    """The level in use: the best one, or the one FATHOM_CPU names."""

def cpu_features() -> dict[str, bool]: ...

MAX_TOKENS: int  # tokens of one Runner.forward

class Pages:
    """Latents in pages of 64 tokens x layers x width. All are address space; memory is taken where they are written."""

    def __init__(self, layers: int, width: int, dtype: str, count: int) -> None:
        """dtype: "float32", "bfloat16" or "int8" (codes, with a half-precision scale for 64 columns)."""
    @property
    def layers(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def page_bytes(self) -> int: ...
    def interrupt(self, now: bool) -> None:
        """End passes over these pages at their next op with a RuntimeError, or no longer."""

class Runner:
    """A lowered program. Ops are (kind, name, inputs, output, weights, attributes), views (buffer, offset, width)."""

    def __init__(self, ops: Sequence[tuple[Any, ...]], buffers: Sequence[int], threads: int) -> None: ...
    @property
    def threads(self) -> int: ...
    @property
    def vocab_size(self) -> int:
        """Columns of the logits."""
    @property
    def embeddings(self) -> int:
        """Token ids are below."""
    @property
    def layers(self) -> int: ...
    @property
    def cache_width(self) -> int: ...
    def forward(
        self,
        tokens: NDArray[np.int32],
        pages: Pages,
        segments: list[tuple[int, int, NDArray[np.int32], int]],
        logits: NDArray[np.float32],
        form: str = "auto",
        observer: Callable[[int, NDArray[np.float32]], None] | None = None,
        seconds: NDArray[np.float64] | None = None,
    ) -> None:
        """One pass over the tokens of all segments (start, n, table, wanted), one behind the other.

        Those of a segment have the positions ``start`` ... of the sequence whose latents lie in the pages of ``table``,
        where theirs are written. Fills ``logits`` (sum of wanted, vocab_size) with those of the last ``wanted`` tokens
        of each segment. No two segments may write the same page. ``seconds``: the time of each op is added to its
        place.
        """

# The thread pool and single kernels, for tests and measurements.

class Pool:
    def __init__(self, threads: int) -> None: ...
    @property
    def threads(self) -> int: ...
    def read(self, data: NDArray[np.uint8]) -> int:
        """Reads all of the bytes (but a rest below 8) with all threads, to be timed; their sum in 8-byte numbers."""
    def multiply_tiles(self, rounds: int) -> int:
        """int8 operations that all threads did on AMX tiles, to be timed; 0 without AMX."""
    def run(self, chunks: int, work: Callable[[int, int], None]) -> None:
        """work(chunk, thread) for every chunk."""
    def count(self, jobs: int, chunks: int) -> list[int]:
        """How often each chunk ran over many short jobs."""

def quantize_rows(
    x: NDArray[np.float32], level: str | None = None
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int32]]: ...
def rms_norm(
    x: NDArray[np.float32], weight: NDArray[np.float32], eps: float, level: str | None = None
) -> NDArray[np.float32]: ...
def silu_mul(gate: NDArray[np.float32], up: NDArray[np.float32], level: str | None = None) -> NDArray[np.float32]: ...
def axpy(a: float, x: NDArray[np.float32], y: NDArray[np.float32], level: str | None = None) -> NDArray[np.float32]: ...
def to_bf16(x: NDArray[np.float32], level: str | None = None) -> NDArray[np.uint16]: ...
def from_bf16(x: NDArray[np.uint16], level: str | None = None) -> NDArray[np.float32]: ...
def attend(
    q: NDArray[np.float32],
    k: NDArray[np.float32],
    v: NDArray[np.float32],
    visible: NDArray[np.int32],
    scale: float,
    m: NDArray[np.float32],
    l: NDArray[np.float32],
    acc: NDArray[np.float32],
    level: str | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]: ...
def attend_latents(
    q: NDArray[np.float32],
    c: NDArray[np.uint16],
    visible: NDArray[np.int32],
    scale: float,
    m: NDArray[np.float32],
    l: NDArray[np.float32],
    acc: NDArray[np.float32],
    level: str | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]: ...
def logsumexp(logits: NDArray[np.float32]) -> float:
    """Of (V,); NaN where a logit is not finite."""

def top(logits: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids and values of the k largest of finite logits (V,), likeliest first; of equals the lower id first."""

def draw(
    logits: NDArray[np.float32],
    mask: NDArray[np.bool_] | None,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    uniform: float = 0.0,
) -> int:
    """A token of (V,) logits, greedy at temperature 0; mask is true where one is allowed; -1: a logit is not finite."""
