"""Files masked and restored: bounded memory whatever their size, all or nothing where a name is given."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fathom.errors import FathomError
from fathom.files import atomic_file
from fathom.guard import Masker, Unmasker, Vault
from fathom.guard.entities import ENTITIES
from fathom.guard.vault import CLOSE, LINE, OPEN

from .console import plain
from .mask_records import Csv, Jsonl, Record
from .mask_source import Source

__all__ = [
    "Records",
    "Tally",
    "check_undone",
    "destination",
    "mask_records",
    "mask_text",
    "restore",
]

BATCH = 2**18  # characters of records masked together
LABELLED = 128  # characters of a text that its field's name is a context for
PLACES = 5  # lines kept for a type

Records = Jsonl | Csv
Write = Callable[[str], None]


@contextmanager
def destination(
    output: Path | None, encoding: str, *, private: bool = False
) -> Iterator[tuple[Write, BinaryIO | None]]:
    """Where text goes, and the file if it has a name; that is complete at the end or absent. ``private``: the owner's
    alone."""
    if output is not None:
        with atomic_file(output) as file:
            os.fchmod(file.fileno(), 0o600 if private else 0o644)

            def put(text: str) -> None:
                file.write(text.encode(encoding))

            yield put, file
        return
    sys.stdout.flush()
    paint = not plain(sys.stdout)
    written = "utf-8" if sys.stdout.isatty() else encoding  # a terminal is read, not kept

    def show(text: str) -> None:
        sys.stdout.buffer.write((_painted(text) if paint else text).encode(written))
        sys.stdout.buffer.flush()

    yield show, None


def _painted(text: str) -> str:
    """Placeholders in colour, those of sensitive data in another."""

    def put(token: re.Match[str]) -> str:
        entity = ENTITIES.get(token[1])
        return f"\x1b[{'1;31' if entity is not None and entity.sensitive else '1;36'}m{token[0]}\x1b[0m"

    return re.sub(f"{OPEN}([A-Z_]+)_[0-9]+{CLOSE}", put, text)


@dataclass(slots=True)
class Tally:
    """What was found, by type: how often, and the first lines."""

    counts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def add(self, type: str, line: int) -> None:
        self.counts[type] = self.counts.get(type, 0) + 1
        places = self.lines.setdefault(type, [])
        if len(places) <= PLACES and line not in places:  # one more, to know that there are more
            places.append(line)

    def most_frequent(self) -> list[tuple[str, int]]:
        return sorted(self.counts.items(), key=lambda item: -item[1])


def mask_text(source: Source, masker: Masker, vault: Vault, write: Write, tally: Tally) -> None:
    masking = masker.stream(vault)
    breaks: deque[int] = deque()  # line ends (code points of the file) that no entity has passed yet
    read, line = 0, 1

    def take(piece: str, end: bool = False) -> None:
        nonlocal read, line
        breaks.extend(read + found.start() for found in re.finditer("\n", piece))
        read += len(piece)
        masked = masking.feed(piece, end)
        for span in masked.entities:
            while breaks and breaks[0] < span.start:
                breaks.popleft()
                line += 1
            tally.add(span.type, line)
        write(masked.text)

    for piece in source.pieces():
        take(piece)
    take("", end=True)


def mask_records(
    source: Source, records: Records, masker: Masker, vault: Vault, write: Write, tally: Tally, *, keep: bool
) -> None:
    """``keep``: a record that the way back could not write as it was is kept in the vault."""
    batch: list[tuple[int, Record]] = []
    size = 0

    def flush() -> None:
        texts = [text for _, record in batch for text in record.texts]
        types = [type for _, record in batch for type in record.types]
        labels = [label for _, record in batch for label in record.labels]
        labelled = [  # a name says what it is the name of
            f"{label}: {text}" for label, text in zip(labels, texts, strict=True) if label and 0 < len(text) <= LABELLED
        ]
        masked = iter(masker.mask_all(texts + labelled, vault, types=types + [None] * len(labelled)))
        for line, record in batch:
            here = [next(masked) for _ in record.texts]
            for one in here:
                for span in one.entities:
                    tally.add(span.type, line)
            raw = records.masked(record, here)
            told = record if raw == record.raw else records.parse(raw)
            if keep and records.restored(told, record.whole) != record.raw:
                vault.keep(LINE, record.raw, _token_of_line(line, raw))
            write(raw)
        batch.clear()

    try:
        for line, record in _parsed(source, records):
            batch.append((line, record))
            size += len(record.raw)
            if size >= BATCH:
                flush()
                size = 0
    except FathomError:
        flush()  # what stands before the bad line
        raise
    flush()


def restore(source: Source, records: Records | None, vault: Vault, write: Write) -> Counter[str]:
    """The placeholders in it that the vault does not have, and how often each stands there."""
    unmasker = Unmasker(vault)
    if records is None:
        for piece in source.pieces():
            write(unmasker.feed(piece))
        write(unmasker.feed("", end=True))
        return unmasker.unknown
    for line, record in _parsed(source, records):
        kept = vault.value(_token_of_line(line, record.raw))
        texts = [unmasker.feed(text, end=True) for text in record.whole]
        write(records.restored(record, texts) if kept is None else kept)
    return unmasker.unknown


def check_undone(file: BinaryIO, read: Source, records: Records | None, vault: Vault) -> None:
    """Restores what was written and compares it with what was read."""
    file.flush()
    with open(os.dup(file.fileno()), "rb") as written:
        written.seek(0)
        again = hashlib.sha256()
        masked = Source(written, read.name, read.encoding)
        restore(masked, records, vault, lambda text: again.update(text.encode(read.encoding)))
        written.seek(0, os.SEEK_END)  # the place is shared with ``file``
    if again.digest() != read.digest.digest():
        raise FathomError("mask_ambiguous", path=read.name)


def _parsed(source: Source, records: Records) -> Iterator[tuple[int, Record]]:
    """The records of a file, each with the number of its first line."""
    line = 1
    try:
        for raw in records.records(source.lines()):
            yield line, records.parse(raw)
            line += raw.count("\n")
    except ValueError as error:
        raise FathomError("line_invalid", path=source.name, line=line, problem=error.args[0]) from None


def _token_of_line(line: int, masked: str) -> str:
    """Under which a record is kept as it was: by its number and what it was masked into."""
    return f"{OPEN}{LINE}_{line}_{hashlib.sha256(masked.encode()).hexdigest()[:32]}{CLOSE}"
