"""Token sets: one source, tokenised once, memory-mapped.

A set is a folder: ``tokens.bin`` (uint16, or uint32 for vocabularies above 65,536; little-endian), ``offsets.npy``
(int64: where each document begins, and the end of the last), ``loss.bin`` (one byte a token: 1 where it is to be learnt
in stages that learn answers only; absent: everywhere), ``meta.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fathom.errors import FathomError

__all__ = ["TokenSet", "load_sets", "write_set"]

_META, _TOKENS, _OFFSETS, _LOSS = "meta.json", "tokens.bin", "offsets.npy", "loss.bin"
_CHUNK = 1 << 24


class TokenSet:
    """A set on disk. ``hash`` is that of the contents, so a run knows whether its data are still the same."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.meta: dict[str, object] = json.loads((self.folder / _META).read_text("utf-8"))
            dtype = np.dtype(str(self.meta["dtype"]))
            self.tokens: NDArray[np.unsignedinteger] = np.memmap(self.folder / _TOKENS, dtype=dtype, mode="r")
            self.offsets: NDArray[np.int64] = np.load(self.folder / _OFFSETS)
            loss = self.folder / _LOSS
            self.loss: NDArray[np.uint8] | None = np.memmap(loss, np.uint8, mode="r") if loss.exists() else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FathomError("file_malformed", path=folder, format="token set", problem=str(error)) from None
        self.name = str(self.meta["name"])
        self.hash = str(self.meta["hash"])
        self.tokenizer = str(self.meta["tokenizer"])
        whole = self.offsets.ndim == 1 and self.offsets.dtype == np.int64 and len(self.offsets) > 1
        whole = whole and self.offsets[0] == 0 and bool((np.diff(self.offsets) >= 2).all())
        if not whole or self.offsets[-1] != len(self.tokens) or (self.loss is not None and len(self.loss) != len(self)):
            raise FathomError(
                "file_malformed", path=folder, format="token set", problem="its parts do not fit together"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def documents(self) -> int:
        return len(self.offsets) - 1

    def check(self) -> None:
        """Reads everything and compares it with the hash it was written with."""
        if self.hash != _hash(self.folder):
            raise FathomError("file_malformed", path=self.folder, format="token set", problem="its hash does not match")


def write_set(
    folder: str | Path,
    name: str,
    documents: Iterable[tuple[NDArray[np.integer], NDArray[np.bool_] | None]],
    *,
    vocabulary: int,
    tokenizer: str,
    text_bytes: int = 0,
) -> TokenSet:
    """Writes a set from (token ids, which of them are to be learnt, or None: all) per document, in one pass.

    ``tokenizer``: hash of the tokenizer's file. ``text_bytes``: size of the text in UTF-8, for bits per byte. All or
    none of the documents have a loss mask. A document has at least two tokens.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")
    offsets, masked = [0], False
    (folder / _LOSS).unlink(missing_ok=True)
    with open(folder / _TOKENS, "wb") as tokens, open(folder / _LOSS, "wb") as losses:
        for ids, loss in documents:
            if len(ids) < 2 or int(ids.max()) >= vocabulary or int(ids.min()) < 0:
                raise FathomError(
                    "data_invalid", source=name, problem=f"document {len(offsets)} has no tokens to learn"
                )
            if loss is not None:
                losses.write(loss.astype(np.uint8).tobytes())
                masked = True
            tokens.write(ids.astype(dtype).tobytes())
            offsets.append(offsets[-1] + len(ids))
    if len(offsets) == 1:
        raise FathomError("data_invalid", source=name, problem="it holds no document")
    if not masked:
        (folder / _LOSS).unlink()
    np.save(folder / _OFFSETS, np.array(offsets, np.int64))
    meta = {"name": name, "dtype": dtype.str, "vocabulary": vocabulary, "tokenizer": tokenizer, "bytes": text_bytes}
    meta |= {"tokens": offsets[-1], "documents": len(offsets) - 1, "hash": _hash(folder)}
    (folder / _META).write_text(json.dumps(meta, indent=1) + "\n", "utf-8")
    return TokenSet(folder)


def load_sets(folder: str | Path) -> dict[str, TokenSet]:
    """Every set below ``folder``, by name; all of one tokenizer."""
    sets = {s.name: s for s in (TokenSet(meta.parent) for meta in sorted(Path(folder).glob(f"*/{_META}")))}
    if not sets:
        raise FathomError("data_invalid", source=str(folder), problem="there are no token sets in it")
    if len({s.tokenizer for s in sets.values()}) > 1:
        raise FathomError("data_invalid", source=str(folder), problem="its sets were made with different tokenizers")
    return sets


def _hash(folder: Path) -> str:
    sha = hashlib.sha256()
    for name in (_TOKENS, _OFFSETS, _LOSS):
        if (folder / name).exists():
            sha.update(name.encode())
            for chunk in _chunks(folder / name):
                sha.update(chunk)
    return sha.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
