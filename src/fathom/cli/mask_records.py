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
from typing import TYPE_CHECKING, Any, NamedTuple

from fathom.errors import Both

if TYPE_CHECKING:
    from fathom.guard import Masked

__all__ = ["Csv", "Jsonl", "Record"]

_FIELD_LIMIT = 2**26  # characters of a CSV field
_MARK = "\ufeff"  # that spreadsheets put in front
_DELIMITERS = ",;\t|"
_TEXT, _ENTITIES = "text", "entities"
_ADDED = f', "{_ENTITIES}": '
_LONG_NUMBER = 7  # characters of numbers that may be personal
_FLOAT = re.compile(r"([0-9]{7,})(\.0+)")
_LEFT = object()
_ALL = "all"  # columns, but where one is called so
_TOKEN = re.compile(r'["{}\[\],:]|-?[0-9][0-9.eE+-]*|true|false|null')
_decoder = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Record:
    """``texts``: what is to be masked, or, in a masked record, unmasked; for each what stands behind it (the ``.0`` of
    a number that a program took for a fraction), the type that all of it is of (None: it is searched), and the name
    it has in the file, which may say what it is."""

    raw: str  # as written, with its line end
    texts: list[str]
    tails: list[str]
    types: list[str | None]
    labels: list[str]
    parts: Any = None  # what the format needs to write it again

    @property
    def whole(self) -> list[str]:
        return [text + tail for text, tail in zip(self.texts, self.tails, strict=True)]


def _parts(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Texts and tails."""
    parts = [found.groups() if (found := _FLOAT.fullmatch(text)) else (text, "") for text in texts]
    return [text for text, _ in parts], [tail for _, tail in parts]


def _empty(raw: str) -> Record:
    return Record(raw, [], [], [], [])


class Jsonl:
    """One object a line; its texts are masked wherever they stand in it, and ``entities`` is added. Keys stay. A number
    is a text, too: masked it becomes a string.

    ``fields``: the only ones that are masked, with all that is in them: ``name,user.phone``, arrays not counting;
    ``name=PERSON``: all of it is that. ``known``: the types there are.
    """

    def __init__(self, fields: str | None, known: Container[str]) -> None:
        self._fields = None if fields is None else dict(_typed(fields, known))
        self._unseen = {*self._fields} if self._fields else set[str]()

    def records(self, lines: Iterable[str]) -> Iterator[str]:
        """ValueError at the end: a field that no record has."""
        raw = None
        for raw in lines:
            yield raw
        if raw is not None and self._unseen:
            raise ValueError(
                Both(
                    f"the end, and no record had a field {min(self._unseen)!r}",
                    f"文件已结束，没有一条记录有字段 {min(self._unseen)!r}",
                )
            )

    def parse(self, raw: str) -> Record:
        """ValueError: what is wrong with the line."""
        if not raw.strip():
            return _empty(raw)
        members = _members(raw)
        found = [(value, type) for value in _values(raw) if (type := self._type(value)) is not _LEFT]
        values = [value for value, _ in found]
        labels = ["" if value.place.name == _TEXT else value.place.name for value in values]
        texts, tails = _parts([value.text for value in values])
        return Record(raw, texts, tails, [type for _, type in found], labels, (values, members))

    def _type(self, value: _Value) -> Any:
        """The type that all of a value is of, None where it is searched, ``_LEFT`` where it stays."""
        if value.place.top == _ENTITIES:  # ours take its place
            return _LEFT
        if self._fields is None:
            return _LEFT if value.is_word or value.is_short else None
        path = value.place.path()
        for field, type in self._fields.items():
            if path == field or path.startswith(f"{field}."):
                self._unseen.discard(field)
                return _LEFT if value.is_word or (value.is_short and type is None) else type
        return _LEFT

    def masked(self, record: Record, masked: Sequence[Masked]) -> str:
        if record.parts is None:
            return record.raw
        values, members = record.parts
        entities = json.dumps(
            [
                {
                    **({} if str(value.place) == _TEXT else {"field": str(value.place)}),
                    **{"type": span.type, "start": span.start, "end": span.end, "score": round(span.score, 3)},
                }
                for value, one in zip(values, masked, strict=True)
                for span in one.entities
            ],
            ensure_ascii=record.raw.isascii(),
        )
        edits = _texts(record, values, [one.text + tail for one, tail in zip(masked, record.tails, strict=True)])
        if (old := members.get(_ENTITIES)) is not None:
            edits.append((*old, entities))
        elif members:
            close = max(end for _, end in members.values())
            edits.append((close, close, _ADDED + entities))
        return _edited(record.raw, edits)

    def restored(self, record: Record, originals: Sequence[str]) -> str:
        """A masked record without what was added, with its original texts."""
        if record.parts is None:
            return record.raw
        values, members = record.parts
        edits = _texts(record, values, originals)
        added = members.get(_ENTITIES)
        if added is not None and record.raw[: added[0]].endswith(_ADDED):
            edits.append((added[0] - len(_ADDED), added[1], ""))
        return _edited(record.raw, edits)


class _Place(NamedTuple):
    """Where a value stands: its key, or number in an array, and the place of the object or array that holds it. Linked,
    so that deep records take no more time and memory than flat ones."""

    key: str | int
    around: _Place | None
    top: str  # the outermost key
    name: str  # the nearest one

    def inside(self, key: str | int) -> _Place:
        return _Place(key, self, self.top, key if isinstance(key, str) else self.name)

    def keys(self) -> list[str | int]:
        place, keys = self, [self.key]
        while place.around is not None:
            keys.append((place := place.around).key)
        return keys[::-1]

    def path(self) -> str:
        """user.phones"""
        return ".".join(key for key in self.keys() if isinstance(key, str))

    def __str__(self) -> str:
        """user.phones[0]"""
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys())[1:]


class _Value(NamedTuple):
    """A string of a line, a number, true, false or null."""

    text: str
    start: int  # in the line
    end: int
    place: _Place

    @property
    def is_word(self) -> bool:
        return self.end - self.start == len(self.text) and self.text[0] in "tfn"

    @property
    def is_short(self) -> bool:
        """A number of too few digits to be personal by itself."""
        return self.end - self.start == len(self.text) < _LONG_NUMBER


def _members(raw: str) -> dict[str, tuple[int, int]]:
    """The members of the object that the line is, and where their values stand."""
    try:
        if not isinstance(json.loads(raw.removeprefix(_MARK)), dict):
            raise ValueError(Both("not an object", "不是 JSON 对象"))
        members: dict[str, tuple[int, int]] = {}
        place = _skipped(raw, 0) + 1
        while raw[place := _skipped(raw, place)] != "}":
            name, place = _decoder.raw_decode(raw, _skipped(raw, place + (raw[place] == ",")))
            _, end = _decoder.raw_decode(raw, start := _skipped(raw, _skipped(raw, place) + 1))
            if name in members and name in (_TEXT, _ENTITIES):
                raise ValueError(Both(f'"{name}" stands twice', f'"{name}" 出现了两次'))
            members[name] = start, end
            place = end
    except RecursionError:
        raise ValueError(Both("nested too deeply", "嵌套太深")) from None
    except json.JSONDecodeError as error:
        raise ValueError(
            Both(f"no JSON: {error.msg} (column {error.colno})", f"不是有效的 JSON（第 {error.colno} 列）")
        ) from None
    return members


def _skipped(raw: str, place: int) -> int:
    while raw[place] in " \t\r\n\ufeff":
        place += 1
    return place


def _values(raw: str) -> Iterator[_Value]:
    """All values of a line of JSON but objects and arrays, in order."""
    around: list[_Place | None] = []  # of the objects and arrays that are open: where they stand
    keys: list[str | int] = []  # the key or number in each
    is_key, at = False, 0

    def place() -> _Place:
        holder, key = around[-1], keys[-1]
        return _Place(key, None, str(key), str(key)) if holder is None else holder.inside(key)

    while (token := _TOKEN.search(raw, at)) is not None:
        mark, at = token[0], token.end()
        if mark in ("{", "["):
            around.append(place() if keys else None)
            keys.append("" if mark == "{" else 0)
            is_key = mark == "{"
        elif mark in ("}", "]"):
            keys.pop()
            around.pop()
        elif mark == ":":
            is_key = False
        elif mark == ",":
            if isinstance(number := keys[-1], int):
                keys[-1] = number + 1
            is_key = isinstance(number, str)
        else:
            text = mark
            if mark == '"':
                text, at = _decoder.raw_decode(raw, token.start())
            if is_key:
                keys[-1] = text
            else:
                yield _Value(text, token.start(), at, place())


def _texts(record: Record, values: Sequence[_Value], texts: Sequence[str]) -> list[tuple[int, int, str]]:
    """Edits that put ``texts`` where ``values`` stand."""
    return [
        (value.start, value.end, _written(text, record.raw[value.start : value.end], value.text))
        for value, text in zip(values, texts, strict=True)
    ]


def _written(text: str, literal: str, value: str) -> str:
    """``text`` as a JSON string in the manner of ``literal``, which says ``value``."""
    if text == value:
        return literal
    ascii_only = literal.isascii() and "\\u" in literal
    return json.dumps(text, ensure_ascii=ascii_only or any("\ud800" <= character <= "\udfff" for character in text))


def _edited(raw: str, edits: Sequence[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end, text in sorted(edits):
        pieces += raw[done:start], text
        done = end
    return "".join([*pieces, raw[done:]])


def _typed(listed: str, known: Container[str]) -> Iterator[tuple[str, str | None]]:
    """``姓名=PERSON,留言``: names, each with the type that is said for it."""
    for entry in next(csv.reader([listed], strict=True), []):
        name, _, type = entry.rpartition("=")
        yield (name, type) if type in known else (entry, None)


class Csv:
    """Rows with a delimiter found in the first line; the named columns are masked.

    ``columns``: names of the first row, numbers from 1, or ``all``. With names the first row is a header and stays;
    without it is a row like the others. ``name=PERSON``: all that stands in the column is of that type.
    """

    def __init__(self, columns: str, known: Container[str]) -> None:
        """``known``: the types there are."""
        csv.field_size_limit(_FIELD_LIMIT)
        self._wanted = [*_typed(columns, known)]
        self._columns: list[int] = []  # that are masked
        self._types: list[str | None] = []
        self._labels: list[str] = []
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
            raise ValueError(Both(f"no CSV: {error}", "不是有效的 CSV（引号未闭合、位置不对，或字段过长）")) from None

    def parse(self, raw: str) -> Record:
        if not raw.strip("\r\n"):
            return _empty(raw)
        [row] = csv.reader(io.StringIO(raw.removeprefix(_MARK), newline=""), delimiter=self._delimiter, strict=True)
        if not self._width:
            self._width = len(row)
            mark = re.escape(self._delimiter)
            self._field = re.compile(f'("(?:[^"]++|"")*+"|[^"{mark}][^{mark}]*+|){mark}')  # as csv reads it
            if self._read_header(row):
                return _empty(raw)
        if len(row) != self._width:
            raise ValueError(
                Both(
                    f"{len(row)} fields, expected {self._width} as in the first row",
                    f"有 {len(row)} 个字段，应与第一行一样有 {self._width} 个",
                )
            )
        return Record(raw, *_parts([row[column] for column in self._columns]), self._types, self._labels)

    def _read_header(self, row: Sequence[str]) -> bool:
        """Finds the columns; True where one of them is named by this row."""
        named = False
        for wanted, type in self._wanted:
            if wanted in row:
                named = True
                columns = [row.index(wanted)]
            elif wanted.isascii() and wanted.isdigit() and len(wanted) < 9 and 1 <= int(wanted) <= len(row):
                columns = [int(wanted) - 1]
            elif wanted == _ALL:
                columns = [*range(len(row))]
            else:
                raise ValueError(
                    Both(
                        f"no column {wanted!r} in this first row of {len(row)}",
                        f"第一行共 {len(row)} 列，没有列 {wanted!r}",
                    )
                )
            new = [column for column in columns if column not in self._columns]
            self._columns += new
            self._types += [type] * len(new)
        self._labels = [row[column] if named else "" for column in self._columns]
        return named

    def masked(self, record: Record, masked: Sequence[Masked]) -> str:
        return self._with(record, [one.text + tail for one, tail in zip(masked, record.tails, strict=True)])

    def restored(self, record: Record, originals: Sequence[str]) -> str:
        """A masked record with its original texts."""
        return self._with(record, originals)

    def _with(self, record: Record, texts: Sequence[str]) -> str:
        """The row with other texts in its columns; what was quoted stays quoted."""
        if list(texts) == record.whole:
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
