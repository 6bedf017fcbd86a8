"""Output that is either complete or absent: files and folders are written beside their place and renamed at the end.

A leftover of a killed process carries a hidden name (``.NAME.partial``) and is replaced by the next run; a lock keeps
two living processes from sharing it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fathom.errors import Both, FathomError

__all__ = ["alone_in", "atomic_file", "atomic_folder", "check_space", "errors_of", "human", "reason"]

# What the system says in English whatever the locale, as Python does not set one.
_CHINESE = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "不允许此操作",
    errno.EISDIR: "这是一个文件夹",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.EROFS: "文件系统只读",
    errno.ENAMETOOLONG: "名称太长",
    errno.ELOOP: "符号链接层数太多",
    errno.EIO: "读写出错",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
}


def human(nbytes: int) -> str:
    """1536 -> "1.5 KiB"."""
    size, units = float(nbytes), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while size >= 1000 and unit != "TiB":
        size, unit = size / 1024, next(units)
    return f"{size:.0f} {unit}" if size >= 100 else f"{size:.3g} {unit}"


def check_space(path: Path, needed: int) -> None:
    """Refuse before the work where ``needed`` bytes don't fit beside ``path``."""
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if (free := shutil.disk_usage(folder).free) < needed:
        raise FathomError("no_space", path=path, needed=human(needed), free=human(free))


def reason(error: OSError) -> Both | str:
    """Why the system refused."""
    english = error.strerror or str(error)
    return Both(english, _CHINESE[error.errno]) if error.errno in _CHINESE else english


@contextmanager
def errors_of(path: str | Path) -> Iterator[None]:
    """For a block that reads or writes ``path``: what the system refuses is the error ``file_unreadable``."""
    try:
        yield
    except OSError as error:
        raise FathomError("file_unreadable", path=path, problem=reason(error)) from None


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file open for writing that replaces ``path`` when the block ends well and vanishes when it doesn't."""
    partial = path.with_name(f".{path.name}.partial")
    with _or_clear_error(path), open(os.open(partial, os.O_RDWR | os.O_CREAT, 0o644), "wb") as file:
        _lock(file.fileno(), partial)
        try:
            file.truncate(0)
            yield file
            file.flush()
            partial.replace(path)
        except BaseException:  # also Ctrl-C: nothing half-written stays
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that becomes ``path`` (which must not exist) when the block ends well, else is removed."""
    if path.exists():
        raise FathomError("file_unreadable", path=path, problem="exists already; remove it or choose another name")
    partial = path.with_name(f".{path.name}.partial")
    with _or_clear_error(path):
        partial.mkdir(parents=True, exist_ok=True)
        handle = os.open(partial, os.O_RDONLY)
        try:
            _lock(handle, partial)
            try:
                for stale in partial.iterdir():
                    shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
                yield partial
                partial.rename(path)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
        finally:
            os.close(handle)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """For a block that works in a folder, made if need be, for long: ``in_use`` where another process does so."""
    with errors_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, partial: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.path.samestat(os.fstat(handle), partial.stat())  # else renamed or removed just now
    except (BlockingIOError, FileNotFoundError):
        mine = False
    if not mine:
        raise FathomError("in_use", path=partial)


@contextmanager
def _or_clear_error(path: Path) -> Iterator[None]:
    with errors_of(path):
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            free = shutil.disk_usage(path.absolute().parent).free
            raise FathomError("no_space", path=path, needed="more", free=human(free)) from None
