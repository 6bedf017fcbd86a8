"""Records of JSONL and CSV files: which texts in them are masked, and the record with other texts in their place.

Everything else of a record stays as it is written. ``restored`` is the way back: it undoes what ``masked`` did to the
writing; where that is not exact (a record written in a way nobody would), the caller keeps the record itself.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fathom.guard import Masked

__all__ = ["Csv", "Jsonl", "Record"]

_FIELD_LIMIT = 2**26  # characters of a CSV field
_MARK = "\ufeff"  # that spreadsheets put in front
_DELIMITERS = ",;\t|"
_ADDED = ', "entities": '
_decoder = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Record:
    raw: str  # as written, with its line end
    texts: list[str]  # what is to be masked, or, in a masked record, unmasked
    parts: Any = None  # what the format needs to write it again


class Jsonl:
    """One object a line; its member ``text`` is masked, and ``entities`` is added."""

    types: tuple[None] = (None,)

    def records(self, lines: Iterable[str]) -> Iterator[str]:
        return iter(lines)

    def parse(self, raw: str) -> Record:
        """ValueError: what is wrong with the line."""
        if not raw.strip():
            return Record(raw, [])
        members = _members(raw)
        text = members.get("text")
        if text is None or not isinstance(text.value, str):
            raise ValueError('no string "text"')
        return Record(raw, [text.value], members)

    def masked(self, record: Record, masked: Sequence[Masked]) -> str:
        if not record.texts:
            return record.raw
        text, old = record.parts["text"], record.parts.get("entities")
        entities = json.dumps(
            [
                {"type": span.type, "start": span.start, "end": span.end, "score": round(span.score, 3)}
                for span in masked[0].entities
            ]
        )
        edits = [(text.start, text.end, _written(masked[0].text, record.raw[text.start : text.end], text.value))]
        if old is None:
            close = max(member.end for member in record.parts.values())
            edits.append((close, close, _ADDED + entities))
        else:
            edits.append((old.start, old.end, entities))
        return _edited(record.raw, edits)

    def restored(self, record: Record, originals: Sequence[str]) -> str:
        """A masked record without what was added, with its original texts."""
        if not record.texts:
            return record.raw
        text, added = record.parts["text"], record.parts.get("entities")
        literal = record.raw[text.start : text.end]
        edits = [(text.start, text.end, _written(originals[0], literal, text.value))]
        if added is not None and record.raw[: added.start].endswith(_ADDED):
            edits.append((added.start - len(_ADDED), added.end, ""))
        return _edited(record.raw, edits)


@dataclass(frozen=True, slots=True)
class _Member:
    value: Any
    start: int  # of the value in the line
    end: int


def _members(raw: str) -> dict[str, _Member]:
    """The members of the object that the line is, and where their values stand."""
    try:
        if not isinstance(json.loads(raw.removeprefix(_MARK)), dict):
            raise ValueError("not an object")
        members: dict[str, _Member] = {}
        place = _skipped(raw, 0) + 1
        while raw[place := _skipped(raw, place)] != "}":
            name, place = _decoder.raw_decode(raw, _skipped(raw, place + (raw[place] == ",")))
            value, end = _decoder.raw_decode(raw, start := _skipped(raw, _skipped(raw, place) + 1))
            if name in members and name in ("text", "entities"):
                raise ValueError(f'"{name}" stands twice')
            members[name] = _Member(value, start, end)
            place = end
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} (column {error.colno})") from None
    return members


def _skipped(raw: str, place: int) -> int:
    while raw[place] in " \t\r\n\ufeff":
        place += 1
    return place


def _written(text: str, literal: str, value: str) -> str:
    """``text`` as a JSON string in the manner of ``literal``, which says ``value``."""
    if text == value:
        return literal
    ascii_only = literal.isascii() and "\\u" in literal
    return json.dumps(text, ensure_ascii=ascii_only or any("\ud800" <= character <= "\udfff" for character in text))


def _edited(raw: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, text in sorted(edits, reverse=True):
        raw = raw[:start] + text + raw[end:]
    return raw


class Csv:
    """Rows with a delimiter found in the first line; the named columns are masked.

    ``columns``: names of the first row, or numbers from 1. With names the first row is a header and stays; with numbers
    alone it is a row like the others. ``name=PERSON``: all that stands in the column is of that type.
    """

    def __init__(self, columns: str, known: Container[str]) -> None:
        """``known``: the types there are."""
        csv.field_size_limit(_FIELD_LIMIT)
        self._wanted: list[str] = []
        self.types: list[str | None] = []  # of the columns that are masked
        for entry in next(csv.reader([columns], strict=True), []):
            name, _, type = entry.rpartition("=")
            self._wanted.append(name if type in known else entry)
            self.types.append(type if type in known else None)
        self._columns: list[int] = []
        self._width = 0  # fields of the first row
        self._delimiter = ","

    def records(self, lines: Iterable[str]) -> Iterator[str]:
        """Rows as written; one may go over several lines. ValueError: a quote is never closed, or a field is huge."""
        lines = iter(lines)
        if (first := next(lines, None)) is None:
            return
        outside = first.split('"')[::2]
        self._delimiter = max(_DELIMITERS, key="".join(outside).count)
        taken: list[str] = []

        def lent() -> Iterator[str]:
            for line in chain([first], lines):
                taken.append(line)
                yield line.removeprefix(_MARK)

        try:
            for _ in csv.reader(lent(), delimiter=self._delimiter, strict=True):
                yield "".join(taken)
                taken.clear()
        except csv.Error as error:
            raise ValueError(f"no CSV: {error}") from None

    def parse(self, raw: str) -> Record:
        if not raw.strip("\r\n"):
            return Record(raw, [])
        [row] = csv.reader(io.StringIO(raw.removeprefix(_MARK), newline=""), delimiter=self._delimiter, strict=True)
        if not self._width:
            self._width = len(row)
            mark = re.escape(self._delimiter)
            self._field = re.compile(f'("(?:[^"]|"")*"|[^"{mark}][^{mark}]*|){mark}')  # as csv reads it
            if self._read_header(row):
                return Record(raw, [])
        if len(row) != self._width:
            raise ValueError(f"{len(row)} fields, expected {self._width} as in the first row")
        return Record(raw, [row[column] for column in self._columns])

    def _read_header(self, row: Sequence[str]) -> bool:
        """Finds the columns; True where one of them is named by this row."""
        named = False
        for wanted in self._wanted:
            if wanted in row:
                named = True
                self._columns.append(row.index(wanted))
            elif wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(row):
                self._columns.append(int(wanted) - 1)
            else:
                raise ValueError(f"no column {wanted!r} in this first row of {len(row)}")
        return named

    def masked(self, record: Record, masked: Sequence[Masked]) -> str:
        return self._with(record, [one.text for one in masked])

    def restored(self, record: Record, originals: Sequence[str]) -> str:
        """A masked record with its original texts."""
        return self._with(record, originals)

    def _with(self, record: Record, texts: Sequence[str]) -> str:
        """The row with other texts in its columns; what was quoted stays quoted."""
        if list(texts) == record.texts:
            return record.raw
        body = record.raw.rstrip("\r\n")
        mark = _MARK if body.startswith(_MARK) else ""
        fields = self._field.findall(body.removeprefix(_MARK) + self._delimiter)
        for column, text in zip(self._columns, texts, strict=True):
            fields[column] = self._written(text, fields[column].startswith('"'))
        return mark + self._delimiter.join(fields) + record.raw[len(body) :]

    def _written(self, text: str, quoted: bool) -> str:
        if quoted or text.startswith('"') or any(mark in text for mark in (self._delimiter, "\r", "\n")):
            return '"' + text.replace('"', '""') + '"'
        return text
