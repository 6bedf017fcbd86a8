"""``fathom mask``: a text, JSONL or CSV file without what is personal in it, and the way back."""

from __future__ import annotations

import hmac
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fathom.errors import Both, FathomError, language
from fathom.files import atomic_file, errors_of, human

from .console import emit, note
from .messages import say
from .options import Json

if TYPE_CHECKING:
    from fathom.guard import Masker, Vault

    from .mask_files import Tally

__all__ = ["mask", "masker_of", "open_key"]

LONGEST_DAYS = 36_500  # that a vault may be given


def mask(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help=say("mask.file"))],
    jsonl: Annotated[bool, typer.Option("--jsonl", help=say("mask.jsonl"))] = False,
    fields: Annotated[str | None, typer.Option("--fields", metavar="LIST", help=say("mask.fields"))] = None,
    csv: Annotated[str | None, typer.Option("--csv", metavar="COLUMNS", help=say("mask.csv"))] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help=say("mask.output"))] = None,
    vault: Annotated[Path | None, typer.Option("--vault", metavar="FILE", help=say("mask.vault"))] = None,
    restore: Annotated[bool, typer.Option("--restore", help=say("mask.restore"))] = False,
    expires: Annotated[float | None, typer.Option("--expires", metavar="DAYS", help=say("mask.expires"))] = None,
    encoding: Annotated[str | None, typer.Option("--encoding", metavar="NAME", help=say("mask.encoding"))] = None,
    operator: Annotated[list[str] | None, typer.Option("--operator", metavar="NAME", help=say("mask.operator"))] = None,
    types: Annotated[str | None, typer.Option("--types", metavar="LIST", help=say("mask.types"))] = None,
    dictionary: Annotated[Path | None, typer.Option("--dictionary", metavar="FILE", help=say("mask.dict"))] = None,
    pattern: Annotated[list[str] | None, typer.Option("--pattern", metavar="X", help=say("mask.pattern"))] = None,
    allow: Annotated[Path | None, typer.Option("--allow", metavar="FILE", help=say("mask.allow"))] = None,
    threshold: Annotated[float, typer.Option("--threshold", metavar="SCORE", help=say("mask.threshold"))] = 0.5,
    strict: Annotated[bool, typer.Option("--strict", help=say("mask.strict"))] = False,
    json: Json = False,
) -> None:
    if jsonl and csv is not None:
        raise FathomError(
            "parameter_invalid", param="--csv", problem=Both("not together with --jsonl", "不能与 --jsonl 同用")
        )
    if fields is not None and not jsonl:
        raise FathomError(
            "parameter_invalid", param="--fields", problem=Both("goes with --jsonl only", "只能与 --jsonl 同用")
        )
    if vault is None and (restore or expires is not None):
        raise FathomError(
            "parameter_invalid",
            param="--vault",
            problem=Both("needed to restore, or to expire", "还原或设置有效期时需要"),
        )
    if expires is not None and not 0 < expires <= LONGEST_DAYS:
        problem = Both(
            f"{expires:g} days; more than 0 and at most {LONGEST_DAYS} are allowed",
            f"{expires:g} 天；应大于 0，最多 {LONGEST_DAYS}",
        )
        raise FathomError("parameter_invalid", param="--expires", problem=problem)
    _check_paths(file, output, vault)
    from fathom.guard.entities import ENTITIES

    from . import mask_files as files
    from .mask_records import Csv, Jsonl
    from .mask_source import encoding_named, source

    def form() -> files.Records | None:
        return Jsonl(fields, ENTITIES) if jsonl else None if csv is None else Csv(csv, ENTITIES)

    wanted = encoding_named(encoding)
    drawn = output is not None or not sys.stdout.isatty()  # else the bar and the text would stand in one another
    if restore:
        from fathom.guard import Vault

        assert vault is not None
        pairs = Vault.load(vault, open_key())
        with (
            source(file, drawn=drawn, encoding=wanted) as read,
            files.destination(output, read.encoding, private=True) as (write, _),
        ):
            try:
                unknown = files.restore(read, form(), pairs, write)
            except BrokenPipeError:
                raise typer.Exit from None
        if unknown:
            named = ", ".join([*list(unknown)[: files.PLACES], *["..."] * (len(unknown) > files.PLACES)])
            note(say("mask.unknown", count=unknown.total(), named=named))
        return
    masker, operators = masker_of(operator or [], types, dictionary, pattern or [], allow, threshold, strict)
    checked = vault is not None and "surrogate" in operators
    if checked and output is None:
        raise FathomError(
            "parameter_invalid",
            param="--operator",
            problem=Both("surrogate with --vault needs -o FILE", "surrogate 与 --vault 同用时需要 -o FILE"),
        )
    tally = files.Tally()
    started = time.monotonic()
    closed = False
    with (
        source(file, drawn=drawn, encoding=wanted) as read,
        files.destination(output, read.encoding) as (write, written),
        _kept(vault, expires) as pairs,  # sealed before the output takes its place
    ):
        try:
            if (records := form()) is None:
                files.mask_text(read, masker, pairs, write, tally)
            else:
                files.mask_records(read, records, masker, pairs, write, tally, keep=vault is not None)
        except BrokenPipeError:  # the reader had enough; what it got can be undone
            closed = True
        if checked and written is not None:
            files.check_undone(written, read, form(), pairs)
    if closed:
        raise typer.Exit
    seconds = time.monotonic() - started
    if json:
        return _report(tally, read.nbytes, seconds, file, output, vault)
    _tell(tally, read.nbytes, seconds)
    if tally.counts and masker.is_reversible:
        again = " --jsonl" if jsonl else "" if csv is None else f" --csv {shlex.quote(csv)}"
        again += "" if fields is None else f" --fields {shlex.quote(fields)}"
        again += "" if wanted is None else f" --encoding {wanted}"
        paths = [shlex.quote(str(path)) for path in (output or "FILE", vault)]
        undo = f"fathom mask {paths[0]}{again} --restore --vault {paths[1]}"
        note(say("mask.lost") if vault is None else say("mask.undo", command=undo))


def _check_paths(file: str, output: Path | None, vault: Path | None) -> None:
    """Before any work: no file is read and written in one call, and the vault's folder is there."""
    named = [path.resolve() for path in (None if file == "-" else Path(file), output, vault) if path is not None]
    if len(set(named)) < len(named):
        raise FathomError(
            "parameter_invalid",
            param="FILE",
            problem=Both("input, output and vault must be three files", "输入、输出和保险库必须是三个文件"),
        )
    for path in (output, vault):
        if path is not None and not path.absolute().parent.is_dir():
            raise FathomError("file_unreadable", path=path, problem=Both("no such folder", "没有这个文件夹"))
        if path is not None and path.is_dir():
            raise FathomError("file_unreadable", path=path, problem=Both("it is a folder", "这是一个文件夹"))


@contextmanager
def _kept(path: Path | None, expires: float | None) -> Iterator[Vault]:
    """The vault in a file, to go on with, or a new one; sealed when the block ends well. Nobody else goes on with it
    meanwhile: their pairs and ours would have the same tokens."""
    from fathom.guard import Vault

    if path is None:
        yield Vault()
        return
    key = open_key()
    with atomic_file(path) as box:
        vault = Vault.load(path, key) if path.exists() else Vault()
        yield vault
        os.fchmod(box.fileno(), 0o600)
        box.write(vault.seal(key, expires=None if expires is None else datetime.now(UTC) + timedelta(days=expires)))


def open_key() -> bytes:
    from fathom.guard.keyfile import key_path, vault_key

    key, made = vault_key()
    if made:
        note(say("mask.key_made", path=key_path()))
    return key


def masker_of(
    given: Iterable[str],
    types: str | None,
    dictionary: Path | None,
    patterns: Iterable[str],
    allow: Path | None,
    threshold: float | None,
    strict: bool,
) -> tuple[Masker, set[str]]:
    """The masker, and the operators it uses: ``--operator partial --operator EMAIL=hash``."""
    from fathom.guard import Masker
    from fathom.guard.entities import DEFAULT_TYPES, ENTITIES

    expressions: dict[str, str] = {}
    for pattern in patterns:
        type, equals, expression = pattern.partition("=")
        if not equals:
            raise FathomError(
                "parameter_invalid", param="--pattern", problem=Both("expected TYPE=REGEX", "应写作 TYPE=REGEX")
            )
        expressions[expression] = type
    own: dict[str, str] = {}
    for line in _lines(dictionary):
        value, _, type = line.partition("\t")
        own[value] = type.strip() or "CUSTOM"
    default, operators = "placeholder", {}
    for part in given:
        type, _, name = part.rpartition("=")
        if type:
            operators[type] = name
        else:
            default = name
    used = {default, *operators.values()}
    named = ENTITIES if types == "all" else DEFAULT_TYPES if types is None else types.split(",")
    masker = Masker(
        frozenset(type.strip() for type in named),
        operator=dict.fromkeys(ENTITIES, default) | operators,
        dictionary=own,
        patterns=expressions,
        allow=list(_lines(allow)),
        threshold=0.5 if threshold is None else threshold,
        strict=strict,
        key=hmac.digest(open_key(), b"fathom mask: hash", "sha256") if "hash" in used else None,
    )
    return masker, used


def _lines(path: Path | None) -> Iterator[str]:
    """The lines of a small file of the user's that are not empty."""
    if path is None:
        return
    with errors_of(path):
        data = path.read_bytes()
    try:
        yield from filter(None, data.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise FathomError("encoding", where=path, offset=error.start) from None


def _tell(tally: Tally, nbytes: int, seconds: float) -> None:
    """What was found and where, the most frequent first; never a value."""
    from fathom.guard.entities import ENTITIES

    from .mask_files import PLACES

    for type, count in tally.most_frequent():
        lines = ", ".join([*map(str, tally.lines[type][:PLACES]), *["..."] * (len(tally.lines[type]) > PLACES)])
        name = ENTITIES[type].zh if language() == "zh" else ENTITIES[type].en
        note(f"{count:>8} {type:<18} {name} ({say('mask.lines', lines=lines)})")
    note(say("mask.total", count=sum(tally.counts.values()), size=human(nbytes), seconds=f"{seconds:.1f}"))


def _report(tally: Tally, nbytes: int, seconds: float, file: str, output: Path | None, vault: Path | None) -> None:
    """The same as one line of JSON, on standard error where the masked text has standard output."""
    from .mask_files import PLACES

    report = {
        "input": file,
        "output": None if output is None else str(output),
        "vault": None if vault is None else str(vault),
        "bytes": nbytes,
        "seconds": round(seconds, 3),
        "entities": sum(tally.counts.values()),
        "types": {type: {"count": count, "lines": tally.lines[type][:PLACES]} for type, count in tally.most_frequent()},
    }
    line = dumps(report, ensure_ascii=False)
    if output is None:
        note(line)
    else:
        emit(line)
