"""What reaches the MLPs and experts of a model while it runs a text, spooled to disk.

Only their matrices become int4, and they all read the output of a norm, so one row a token and layer (and the router's
choice) is all that has to be kept; V2-Lite: 110 KB a token.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fathom.engine.runner import NativeModel
from fathom.errors import FathomError
from fathom.files import errors_of
from fathom.model.program import Op, Program
from fathom.text.tokenizer import Tokenizer
from fathom.weights.load import Progress

__all__ = ["LIMIT", "WINDOW", "Inputs", "read_windows"]

Floats = NDArray[np.float32]
WINDOW = 512  # tokens that see one another
LIMIT = 64  # windows; from a longer text, as many are taken evenly
LONGEST = 8  # characters that a token of a window may take of a long text


def read_windows(path: Path, tokenizer: Tokenizer) -> list[list[int]]:
    """The text of a file as windows of tokens, each behind BOS."""
    with errors_of(path):
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where=path, offset=error.start) from None
    if "\0" in text:
        raise FathomError("encoding", where=path, offset=raw.index(0))
    size = WINDOW * LONGEST
    if len(text) > LIMIT * size:
        starts = np.linspace(0, len(text) - size, LIMIT).astype(int)
        pieces = [tokenizer.encode(text[start : start + size])[:WINDOW] for start in starts]
    else:
        ids = tokenizer.encode(text)
        pieces = [ids[start : start + WINDOW] for start in range(0, len(ids), WINDOW)]
        pieces = (
            [pieces[i] for i in np.unique(np.linspace(0, max(len(pieces) - 1, 0), LIMIT).astype(int))] if ids else []
        )
    if (count := sum(map(len, pieces))) < WINDOW:
        raise FathomError("calibration_short", path=path, found=count, least=WINDOW)
    return [[tokenizer.bos_id, *piece] if tokenizer.bos_id is not None else piece for piece in pieces]


class Inputs:
    """The input rows of each gated MLP and each expert, in files of a folder."""

    def __init__(self, program: Program, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, tuple[int, int, type]] = {}  # op -> number, columns, type of what it puts out
        self._source: dict[str, Op] = {}  # MLP or experts -> the op whose output it reads
        self._router: dict[str, Op] = {}
        for i, op in enumerate(program.ops):
            if op.kind in ("mlp", "experts"):
                self._source[op.name] = self._keep(program.ops[:i], op, 0, np.float16)  # of a norm: far below 65504
            if op.kind == "experts":
                self._router[op.name] = self._keep(program.ops[:i], op, 1, np.float32)

    def _keep(self, before: tuple[Op, ...], op: Op, index: int, type: type) -> Op:
        source = next(other for other in reversed(before) if other.output == op.inputs[index])
        self._files.setdefault(source.name, (len(self._files), source.output.width, type))
        return source

    def nbytes(self, tokens: int) -> int:
        return tokens * sum(width * np.dtype(type).itemsize for _, width, type in self._files.values())

    def record(self, model: NativeModel, windows: list[list[int]], progress: Progress | None = None) -> None:
        """Run the windows, each on its own."""
        done, total = 0, sum(map(len, windows))
        for window in windows:
            model.forward(window, model.new_cache(len(window)), logits="all", capture=self._write)
            done += len(window)
            if progress is not None:
                progress(self.nbytes(done), self.nbytes(total))

    def _write(self, name: str, rows: Floats) -> None:
        if name in self._files:
            number, _, type = self._files[name]
            with (self._folder / str(number)).open("ab") as file:
                file.write(rows.astype(type).tobytes())

    def _read(self, op: Op) -> Floats:
        number, width, type = self._files[op.name]
        return np.fromfile(self._folder / str(number), type).reshape(-1, width).astype(np.float32)

    def rows(self, op: str) -> Floats:
        """(tokens, columns) of an MLP or of all experts of a layer."""
        return self._read(self._source[op])

    def chosen(self, op: str) -> NDArray[np.int64]:
        """(tokens, top_k): the experts of each token."""
        route = self._read(self._router[op])
        return route[:, : route.shape[1] // 2].astype(np.int64)
