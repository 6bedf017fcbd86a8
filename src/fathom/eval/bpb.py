"""Bits per byte: how many bits a model needs a byte of a text, which compares across vocabularies and with compressors.

The text is cut into windows of the model's context that do not overlap; in front of each stands BOS, once. The nats of
every text token over ln 2 and over the bytes of the file: nothing is left out, and BOS itself is not counted.
"""

from __future__ import annotations

import codecs
import itertools
import lzma
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import Both, FathomError
from ..files import errors_of
from ..llm import LLM
from ..text.tokenizer import Tokenizer
from .likelihood import begin_token, loglikelihoods

__all__ = ["BitsPerByte", "bits_per_byte", "encoded"]

Report = Callable[[int, int], None]  # bytes done, bytes in all
BLOCK = 1 << 20  # bytes read at once
LONGEST = 8 * BLOCK  # characters that are encoded at once where no line ends
SIDE_BY_SIDE = 16  # windows
_WHOLE_LINES = re.compile(r".*\n(?=\S)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BitsPerByte:
    """Of one file. ``tokens`` are those of the text, ``context`` those of a window with its BOS, ``xz`` is what
    ``xz -9`` needs a byte, its header included."""

    path: str
    bits_per_byte: float
    xz: float
    bytes: int
    tokens: int
    windows: int
    context: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bits_per_byte(
    llm: LLM, path: str | Path, *, context: int | None = None, report: Report | None = None
) -> BitsPerByte:
    """Reads a UTF-8 file as plain text: control tokens spelled out in it are text like any other.

    Memory is bounded, whatever the size of the file. Raises ``file_unreadable`` (also for an empty one), ``encoding``,
    ``no_tokenizer``, and ``parameter_invalid`` where ``context`` is not in 2..the model's context.
    """
    path, began = Path(path), time.monotonic()
    context = llm.context_length if context is None else context
    if not 2 <= context <= llm.context_length:
        problem = Both(
            f"{context} is not in 2..{llm.context_length}, the model's context",
            f"{context} 不在 2..{llm.context_length}（模型的上下文长度）之内",
        )
        raise FathomError("parameter_invalid", param="context", problem=problem)
    begin = begin_token(llm)
    size, packer, packed = _checked(path), lzma.LZMACompressor(preset=9), 0

    def blocks() -> Iterator[bytes]:
        nonlocal packed
        for block in _blocks(path):
            packed += len(packer.compress(block))
            yield block

    windows = _windows(encoded(llm.tokenizer, blocks()), context - 1)
    nats, tokens, count, done = 0.0, 0, 0, 0
    while batch := list(itertools.islice(windows, SIDE_BY_SIDE)):
        nats -= sum(total for total, _ in loglikelihoods(llm, [([begin], window) for window in batch]))
        tokens, count = tokens + sum(map(len, batch)), count + len(batch)
        done += sum(len(llm.tokenizer.token_bytes(token)) for window in batch for token in window)
        if report:
            report(min(done, size), size)
    bits, xz = nats / math.log(2) / size, 8 * (packed + len(packer.flush())) / size
    return BitsPerByte(str(path), bits, xz, size, tokens, count, context, round(time.monotonic() - began, 3))


def encoded(tokenizer: Tokenizer, blocks: Iterable[bytes]) -> Iterator[list[int]]:
    """The ids of UTF-8 text that comes in blocks, piece by piece: the same as of the whole at once.

    It is cut before lines that begin with no space, which is where the pre-tokenizers of the family (and GPT's) cut
    anyway; only where none begins in 8 MiB is it cut elsewhere.
    """
    decoder, rest = codecs.getincrementaldecoder("utf-8")(), ""
    for block in blocks:
        rest += decoder.decode(block)
        lines = _WHOLE_LINES.match(rest)
        end = lines.end() if lines else len(rest) if len(rest) > LONGEST else 0
        if end:
            yield tokenizer.encode(rest[:end])
            rest = rest[end:]
    yield tokenizer.encode(rest)


def _windows(pieces: Iterable[list[int]], length: int) -> Iterator[list[int]]:
    rest: list[int] = []
    for ids in pieces:
        rest += ids
        whole = len(rest) // length * length
        yield from (rest[at : at + length] for at in range(0, whole, length))
        rest = rest[whole:]
    if rest:
        yield rest


def _blocks(path: Path) -> Iterator[bytes]:
    with errors_of(path), path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _checked(path: Path) -> int:
    """The bytes of the file; whatever makes it no text is an error before the model works."""
    if path.exists() and not path.is_file():
        raise FathomError("file_unreadable", path=path, problem=Both("it is no regular file", "不是普通文件"))
    decoder, size = codecs.getincrementaldecoder("utf-8")(), 0
    for block in itertools.chain(_blocks(path), (b"",)):
        carried = len(decoder.getstate()[0])  # bytes of a character that the last block cut
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise FathomError("encoding", where=path, offset=size - carried + error.start) from None
        size += len(block)
    if not size:
        raise FathomError("file_unreadable", path=path, problem=Both("it is empty", "是空的"))
    return size
