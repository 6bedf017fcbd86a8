"""Models from the Hugging Face Hub, or a mirror of it (HF_ENDPOINT), into the store: only data, checked, resumable.

The hub's client finds the files and speaks its protocol. Its own downloads begin anew when a process ended in the
middle, which is hours for these files, so the bytes go to a hidden file beside their place that the next call goes on
with. Every file is held against the checksum the hub lists (SHA-256 of large files, git's SHA-1 of small ones) before
it gets its name, and ``config.json`` comes last: a model is whole or not there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from fathom.errors import FathomError
from fathom.files import check_space, human
from fathom.hub.store import SHARD, location

__all__ = ["pull"]

Progress = Callable[[int, int], None]  # bytes there, bytes in all

PATIENCE = 30.0  # seconds for the hub to list a repository
_DATA = (".safetensors", ".json", ".jinja", ".gguf")
_LEGAL = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")
_CODE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5")  # formats that can run code; named in errors, never fetched


@dataclass(frozen=True, slots=True)
class _File:
    name: str  # in the repository
    size: int
    checksum: str  # 64 hexadecimal digits: SHA-256; 40: git's SHA-1 of a blob; a mirror may leave it out

    @property
    def local(self) -> str:
        return PurePosixPath(self.name).name


def pull(repo: str, file: str | None = None, revision: str | None = None, progress: Progress | None = None) -> Path:
    """Fetch ``repo`` (or one GGUF ``file`` of it) into the store; returns its folder, or the file."""
    if ":" in repo and file is None:
        repo, _, file = repo.partition(":")
    folder = location(repo)
    if "/" not in repo:
        raise FathomError("pull_failed", repo=repo, problem="the owner is missing; a repository is OWNER/NAME")
    with _explained(repo):
        commit, listed = _list(repo, revision)
        wanted = _select(repo, listed, file)
        folder.mkdir(parents=True, exist_ok=True)
        report = _Report(progress, sum(f.size for f in wanted))
        check_space(folder / "model", sum(_left(folder, f) for f in wanted))
        for item in sorted(wanted, key=lambda f: f.local == "config.json"):
            _fetch(repo, commit, item, folder, report)
    return folder / wanted[0].local if file else folder


def _list(repo: str, revision: str | None) -> tuple[str, list[_File]]:
    """The commit a revision means, and its files; what could leave the folder is not listed."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=_endpoint()).model_info(repo, revision=revision, files_metadata=True, timeout=PATIENCE)
    files = [
        _File(s.rfilename, s.size or 0, (s.lfs.sha256 if s.lfs else s.blob_id) or "")
        for s in info.siblings or []
        if not PurePosixPath(s.rfilename).name.startswith(".") and "\\" not in s.rfilename
    ]
    return str(info.sha), files


def _select(repo: str, files: list[_File], file: str | None) -> list[_File]:
    """What a model needs of a repository."""
    ggufs = [f for f in files if f.local.endswith(".gguf")]
    if file is not None:
        chosen = [f for f in ggufs if file in (f.name, f.local)]
        if not chosen:
            raise FathomError("pull_failed", repo=repo, problem=f"no GGUF file {file!r} there; {_available(files)}")
        return _parts(chosen[0], ggufs)
    top = [f for f in files if "/" not in f.name]
    if any(f.name.endswith(".safetensors") for f in top):
        return [f for f in top if f.name.endswith(_DATA[:3]) or f.name in _LEGAL]
    whole = [f for f in ggufs if not SHARD.search(f.name) or "-00001-of-" in f.name]
    if len(whole) == 1:
        return _parts(whole[0], ggufs)
    problem = "several GGUF files there" if whole else "neither safetensors nor GGUF files there"
    raise FathomError("pull_failed", repo=repo, problem=f"{problem}; {_available(files)}")


def _parts(first: _File, ggufs: list[_File]) -> list[_File]:
    """The file, or all parts of a split one."""
    stem = SHARD.sub("", first.name)
    return [f for f in ggufs if SHARD.sub("", f.name) == stem] if SHARD.search(first.name) else [first]


def _available(files: list[_File]) -> str:
    if ggufs := [f"{f.name} ({human(f.size)})" for f in files if f.name.endswith(".gguf")]:
        return f"choose REPO:FILE from {', '.join(ggufs[:20])}"
    pickles = [f.name for f in files if f.name.endswith(_CODE)]
    return f"only {pickles[0]}, which could run code and is not loaded" if pickles else "no weights at all"


def _partial(folder: Path, file: _File) -> Path:
    """Where the bytes of a file gather until it is whole."""
    return folder / f".{file.local}.{file.checksum[:16]}.incomplete"


def _left(folder: Path, file: _File) -> int:
    """Bytes of a file that are still to be fetched."""
    if (folder / file.local).exists():
        return 0
    partial = _partial(folder, file)
    return max(file.size - (partial.stat().st_size if partial.exists() else 0), 0)


def _fetch(repo: str, commit: str, file: _File, folder: Path, report: _Report) -> None:
    """One file: skipped where it is there, continued where it was begun, named when its checksum is right."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    place = folder / file.local
    if place.exists() and _is_right(place, file):
        report.skip(file.size)
        return
    partial = _partial(folder, file)
    with partial.open("ab") as out:
        _lock(out, place)
        if (begun := out.tell()) > file.size:
            begun = out.truncate(0)
        report.skip(begun)
        if begun < file.size:
            headers = build_hf_headers()
            url = hf_hub_url(repo, file.name, revision=commit, endpoint=_endpoint())
            metadata = get_hf_file_metadata(url, headers=headers, endpoint=_endpoint())
            if metadata.location != url:  # a storage host: it must not see the token
                headers.pop("authorization", None)
            counted: Any = _Counted(out, report)
            http_get(metadata.location, counted, resume_size=begun, headers=headers, expected_size=file.size)
        out.flush()
        os.fsync(out.fileno())
    if not _is_right(partial, file):
        partial.unlink()
        problem = f"{file.name} arrived with a wrong checksum and was discarded; pull again"
        raise FathomError("pull_failed", repo=repo, problem=problem)
    partial.replace(place)
    for stale in folder.glob(f".{file.local}.*.incomplete"):  # of an older revision
        stale.unlink()


def _is_right(path: Path, file: _File) -> bool:
    """Whether size and checksum are those the hub lists."""
    if path.stat().st_size != file.size:
        return False
    if not file.checksum:
        return True
    is_git = len(file.checksum) == 40
    digest = hashlib.sha1(b"blob %d\0" % file.size) if is_git else hashlib.sha256()
    with path.open("rb") as data:
        while chunk := data.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest() == file.checksum


class _Report:
    """Adds up the bytes of all files for the caller's progress display."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def skip(self, count: int) -> None:
        self.done += count
        if self.progress:
            self.progress(self.done, self.total)


class _Counted:
    """A file that reports what is written to it."""

    def __init__(self, file: BinaryIO, report: _Report) -> None:
        self.file, self.report = file, report

    def write(self, data: bytes) -> int:
        self.report.skip(len(data))
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _endpoint() -> str | None:
    """HF_ENDPOINT as it is now; the client reads it once, when it is imported."""
    return os.environ.get("HF_ENDPOINT") or None


def _lock(file: BinaryIO, place: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FathomError("in_use", path=place) from None


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Errors of the network, the hub and the disk as one line that says what to do."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    known: dict[type[Exception], str] = {
        GatedRepoError: "its owner asks for consent: accept the terms on its page, then set HF_TOKEN",
        RepositoryNotFoundError: "there is no such repository, or it is private (set HF_TOKEN)",
        RevisionNotFoundError: "there is no such revision",
        HFValidationError: "this is no repository name; it looks like owner/name",
        OfflineModeIsEnabled: "HF_HUB_OFFLINE is set",
    }
    try:
        yield
    except FathomError:
        raise
    except OSError as error:  # the client's own errors are OSErrors too
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FathomError("no_space", path=location(repo), needed="more", free="0 B") from None
        raise _failed(repo, error, known) from None
    except Exception as error:  # the client's transport is httpx or httpx2, by its version
        raise _failed(repo, error, known) from None


def _failed(repo: str, error: Exception, known: dict[type[Exception], str]) -> FathomError:
    problem = next((text for kind, text in known.items() if isinstance(error, kind)), None)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if problem is None and status:
        problem = f"the hub answered {status}; try again later"
    if problem is None:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        problem = (
            f"{reason}; check the network or set HF_ENDPOINT to a mirror, then pull again: it goes on where it was"
        )
    return FathomError("pull_failed", repo=repo, problem=problem)
