"""The key of this user's vaults: FATHOM_VAULT_KEY, else a file made once in the user's configuration folder."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from fathom.errors import Both, FathomError
from fathom.files import errors_of

from .vault import KEY_BYTES

__all__ = ["key_path", "vault_key"]

_HEX = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}")


def key_path() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fathom" / "vault.key"


def vault_key() -> tuple[bytes, bool]:
    """The key (32 bytes, written as 64 hexadecimal digits), and whether its file was made just now."""
    if written := os.environ.get("FATHOM_VAULT_KEY"):
        return _bytes("FATHOM_VAULT_KEY", written), False
    path = key_path()
    with errors_of(path):
        made = not path.exists() and _make(path)
        return _bytes(str(path), path.read_text("ascii", errors="replace")), made


def _bytes(where: str, written: str) -> bytes:
    if not _HEX.fullmatch(written.strip()):
        command = f"`openssl rand -hex {KEY_BYTES}`"
        problem = Both(
            f"a key is {2 * KEY_BYTES} hexadecimal digits, as {command} writes them",
            f"密钥是 {2 * KEY_BYTES} 位十六进制数，可用 {command} 生成",
        )
        raise FathomError("parameter_invalid", param=where, problem=problem)
    return bytes.fromhex(written.strip())


def _make(path: Path) -> bool:
    """Complete or not at all, and only if nobody else was quicker."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink()
    return True
