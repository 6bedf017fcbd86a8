"""Vaults that outlive their request, for answers that are stored at the upstream: sealed files that expire.

The name of a file is a hash of the answer's id and of its owner, the client's key: another client finds nothing. What
has expired is removed by the next sweep, whoever makes it.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ...errors import FathomError
from ...files import errors_of
from ...guard import Vault
from .sse import dumps

__all__ = ["VaultStore"]

_SUFFIX = ".vault"


class VaultStore:
    def __init__(self, folder: Path, key: bytes, ttl_s: float) -> None:
        self._folder, self._key, self.ttl_s = folder, key, ttl_s
        with errors_of(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sweep()

    def save(self, answer_id: str, owner: str, vault: Vault) -> None:
        vault.save(self._path(answer_id, owner), self._key, expires=datetime.now(UTC) + timedelta(seconds=self.ttl_s))

    def load(self, answer_id: str, owner: str, param: str) -> Vault:
        """The vault of an earlier answer; ``param`` is the field that named it."""
        path = self._path(answer_id, owner)
        if not path.exists():
            problem = "what was masked for this answer is not kept here (any more); send the whole conversation again"
            raise FathomError("parameter_invalid", param=param, problem=problem)
        return Vault.load(path, self._key)

    def forget(self, answer_id: str, owner: str) -> None:
        self._path(answer_id, owner).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Removes what has expired."""
        oldest = time.time() - self.ttl_s
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):  # gone by now, or another's
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _path(self, answer_id: str, owner: str) -> Path:
        return self._folder / f"{hashlib.sha256(dumps([answer_id, owner]).encode()).hexdigest()[:40]}{_SUFFIX}"
