"""The file that ``fathom mask`` reads: in which encoding, in pieces of text or in lines."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from fathom.errors import Both, FathomError
from fathom.files import errors_of, human

from .console import Report, progress
from .messages import say

__all__ = ["ENCODINGS", "LONGEST_LINE", "Source", "encoding_named", "source"]

PIECE = 2**20  # bytes read at a time
LONGEST_LINE = 2**26  # characters of a line of JSONL or CSV
#: As --encoding names them. GB18030 holds GBK and GB2312, and the brackets of placeholders, which those lack.
ENCODINGS = ("utf-8", "gb18030", "utf-16", "utf-16-le", "utf-16-be")
_ALIASES = {"utf8": "utf-8", "utf16": "utf-16", "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030"}
_MARKS = (  # byte order marks, the longer first; they stay in the text as U+FEFF, so they are written back
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 2**16  # bytes looked at for a guess
_GB2312 = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")


class Source:
    """A file's text; what is no text in its encoding is an error that names the byte and, where none was given, the
    likely one.

    ``encoding`` is one of :data:`ENCODINGS`; None: by the byte order mark, else UTF-8.
    """

    def __init__(self, file: BinaryIO, name: str, encoding: str | None = None, report: Report | None = None) -> None:
        self.name = name
        self.nbytes = 0  # read so far
        self.digest = hashlib.sha256()
        self._file = file
        self._report = report
        self._size = os.fstat(file.fileno()).st_size if report is not None else 0
        with errors_of(name):
            self._head = file.read(4)
        marked = next((named for mark, named in _MARKS if self._head.startswith(mark)), None)
        if encoding is None:
            self.encoding = marked or "utf-8"
        elif encoding == "utf-16":
            self.encoding = marked or "utf-16-le"  # as Windows writes it
        else:
            self.encoding = encoding
        self._is_guessed = encoding is None and marked is None

    def pieces(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding)()
        while True:
            with errors_of(self.name):
                data = self._head + self._file.read(PIECE - len(self._head))
            self._head = b""
            if self._is_guessed and not self.nbytes and data[:_SAMPLE].count(0) * 5 > len(data[:_SAMPLE]):
                raise self._no_text(0, data)  # UTF-16 of ASCII is UTF-8, too, and nothing would be found in it
            held = len(decoder.getstate()[0])
            try:
                piece = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                yield error.object[: error.start].decode(self.encoding)
                offset = self.nbytes - held + error.start
                rest = error.object[max(0, error.start - offset % 2) :]  # where a unit of UTF-16 would begin
                raise self._no_text(offset, rest) from None
            self.nbytes += len(data)
            self.digest.update(data)
            if self._report is not None:
                self._report(self.nbytes, max(self._size, self.nbytes))
            yield piece
            if not data:
                return

    def lines(self) -> Iterator[str]:
        """Each with its end."""
        held: list[str] = []  # of a line that goes on
        size = 0
        for piece in self.pieces():
            *whole, rest = piece.split("\n")
            for part in whole:
                yield "".join([*held, part, "\n"])
                held.clear()
                size = 0
            held.append(rest)
            size += len(rest)
            if size > LONGEST_LINE:
                problem = Both(f"it has a line of more than {human(LONGEST_LINE)}", f"有一行超过 {human(LONGEST_LINE)}")
                raise FathomError("file_unreadable", path=self.name, problem=problem)
        if size:
            yield "".join(held)

    def _no_text(self, offset: int, data: bytes) -> FathomError:
        """``data``: from the byte at ``offset`` on."""
        likely = _likely(data[:_SAMPLE]) if self._is_guessed else None
        if likely is not None:
            return FathomError("encoding_likely", where=self.name, offset=offset, likely=likely)
        return FathomError("encoding_wrong", where=self.name, offset=offset, encoding=self.encoding.upper())


def encoding_named(name: str | None) -> str | None:
    """What ``--encoding`` names: one of :data:`ENCODINGS`, in any case and by its other names."""
    if name is None:
        return None
    plain = name.strip().lower().replace("_", "-")
    found = _ALIASES.get(plain, plain)
    if found not in ENCODINGS:
        raise FathomError("choice_unknown", what="--encoding", found=name, known=", ".join(ENCODINGS))
    return found


@contextmanager
def source(file: str, *, drawn: bool, encoding: str | None = None) -> Iterator[Source]:
    """``file`` or, for ``-``, standard input; ``drawn``: a progress bar may stand on standard error."""
    if file == "-":
        yield Source(sys.stdin.buffer, say("mask.stdin"), encoding)
        return
    with errors_of(file):
        opened = open(file, "rb")  # noqa: SIM115 - closed below
    bar = progress(say("mask.progress", what=Path(file).name)) if drawn else nullcontext()
    with opened, bar as report:
        yield Source(opened, file, encoding, report)


def _likely(data: bytes) -> str | None:
    """The encoding of a text that is no UTF-8, by its bytes; None: damaged UTF-8, or nobody knows."""
    if (even := data[::2].count(0)) + (odd := data[1::2].count(0)):  # line ends, digits and spaces have a zero byte
        return None if min(even, odd) * 10 > max(even, odd) else "utf-16-be" if even > odd else "utf-16-le"
    high = sum(byte >= 0x80 for byte in data)
    damaged = len(data) - len(data.decode(errors="ignore").encode())
    paired = 2 * len(_GB2312.findall(data))
    return "gb18030" if damaged * 10 > high and paired * 5 > high * 4 else None
