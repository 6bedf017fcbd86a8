"""``fathom serve --upstream``: its options, and the lines that say how to use it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fathom.errors import Both, FathomError

from .console import note
from .mask import masker_of, open_key
from .messages import say

if TYPE_CHECKING:
    from fathom.guard.limits import Limits

__all__ = ["Asked", "run_gateway"]


class Asked(NamedTuple):
    """What the options of the gateway say; None: not given."""

    upstream_key_file: Path | None
    upstream_timeout: float | None
    types: str | None
    operator: list[str] | None
    dictionary: Path | None
    pattern: list[str] | None
    allow: Path | None
    threshold: float | None
    strict: bool | None
    attachments: str | None
    leaks: str | None
    vault_dir: Path | None
    vault_ttl: float | None
    privacy_page: bool | None


def run_gateway(upstream: str, asked: Asked, *, host: str, port: int, api_key: str | None, limits: Limits) -> int:
    """Serves until a signal; the process's exit code."""
    from fathom.guard.bodies import ATTACHMENTS
    from fathom.server.gate import is_loopback
    from fathom.server.gateway import Settings, Timeouts
    from fathom.server.gateway.leak import POLICIES
    from fathom.server.gateway.serve import serve
    from fathom.server.process import read_api_key

    attachments, leaks = asked.attachments or "refuse", asked.leaks or "warn"
    _check("--attachments", attachments, ATTACHMENTS)
    _check("--leaks", leaks, POLICIES)
    if asked.vault_ttl is not None and asked.vault_dir is None:
        raise FathomError(
            "parameter_invalid",
            param="--vault-ttl",
            problem=Both("goes with --vault-dir only", "只能与 --vault-dir 同用"),
        )
    masker, _ = masker_of(
        asked.operator or [],
        asked.types,
        asked.dictionary,
        asked.pattern or [],
        asked.allow,
        asked.threshold,
        bool(asked.strict),
    )
    token = secrets.token_urlsafe(24) if asked.privacy_page else None
    settings = Settings(
        upstream,
        upstream_key=read_api_key(asked.upstream_key_file, "FATHOM_UPSTREAM_KEY"),
        leaks=leaks,
        attachments=attachments,
        timeouts=Timeouts(read=asked.upstream_timeout or 300.0),
        limits=limits,
        api_key=api_key,
        local_only=is_loopback(host),
        vault_dir=asked.vault_dir,
        vault_key=None if asked.vault_dir is None else open_key(),
        vault_ttl_s=asked.vault_ttl or 3600.0,
        page_token=token,
    )

    def announce(url: str) -> None:
        note(say("gateway.ready", url=url, upstream=upstream))
        if token is not None:
            note(say("gateway.page_at", url=f"{url}/privacy?token={token}"))

    return serve(settings, masker, host=host, port=port, announce=announce)


def _check(option: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise FathomError("choice_unknown", what=option, found=found, known=", ".join(known))
