"""What the routes share: settings, the masker, the upstream, and what is remembered between requests (little)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import Both, FathomError
from ...guard import Masker, Vault
from ...guard.limits import DEFAULT, Limits
from .metrics import GatewayMetrics
from .privacy import Record
from .upstream import Timeouts, Upstream
from .vaults import VaultStore

__all__ = ["Gateway", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one gateway. ``leaks`` is one of :data:`.leak.POLICIES`, ``attachments`` one of
    :data:`fathom.guard.bodies.ATTACHMENTS`; ``page_token`` opens the page of what left (None: there is none)."""

    upstream: str
    upstream_key: str | None = None
    leaks: str = "warn"
    attachments: str = "refuse"
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = DEFAULT
    api_key: str | None = None
    local_only: bool = True
    vault_dir: Path | None = None
    vault_key: bytes | None = None
    vault_ttl_s: float = 3600.0
    page_token: str | None = None
    page_requests: int = 50


class Gateway:
    def __init__(self, settings: Settings, masker: Masker) -> None:
        if not masker.is_reversible:
            problem = Both(
                "the gateway puts values back: placeholder or surrogate",
                "网关要还原原值：只能用 placeholder 或 surrogate",
            )
            raise FathomError("parameter_invalid", param="--operator", problem=problem)
        self.settings = settings
        self.masker = masker
        self.started_s = time.time()
        self.metrics = GatewayMetrics()
        self.records: deque[Record] = deque(maxlen=settings.page_requests)  # for the page, if there is one
        self.upstream = Upstream(
            settings.upstream,
            key=settings.upstream_key,
            own_key=settings.api_key is not None,
            timeouts=settings.timeouts,
        )
        self.vaults: VaultStore | None = None
        if settings.vault_dir is not None:
            if settings.vault_key is None:
                problem = Both("needs a key, FATHOM_VAULT_KEY", "需要密钥 FATHOM_VAULT_KEY")
                raise FathomError("parameter_invalid", param="--vault-dir", problem=problem)
            self.vaults = VaultStore(settings.vault_dir, settings.vault_key, settings.vault_ttl_s)

    def vault_for(self, path: str, body: Mapping[str, Any], owner: str) -> Vault:
        """A new vault, or the one of the answer that this request goes on from. What lies at the upstream and was
        masked with another vault can't be told apart from what is masked now, so it is refused."""
        if path != "/responses":
            return Vault()
        items = body.get("input")
        if body.get("conversation") is not None:
            raise _stateful("conversation")
        if body.get("background") and self.vaults is None:
            raise _stateful("background")
        if isinstance(items, list) and any(isinstance(i, dict) and i.get("type") == "item_reference" for i in items):
            raise _stateful("input")
        earlier = body.get("previous_response_id")
        if earlier is None:
            return Vault()
        if not isinstance(earlier, str):
            raise FathomError("parameter_invalid", param="previous_response_id", problem="expected a string")
        return self.kept_vault(earlier, owner, "previous_response_id")

    def kept_vault(self, answer_id: str, owner: str, param: str) -> Vault:
        """The vault of an earlier answer; ``param`` is what named it."""
        if self.vaults is None:
            raise _stateful(param)
        return self.vaults.load(answer_id, owner, param)

    def forget(self, answer_id: str, owner: str) -> None:
        if self.vaults is not None:
            self.vaults.forget(answer_id, owner)

    def keep(self, path: str, answer_id: str, owner: str, vault: Vault) -> None:
        """Seals a vault for later requests, where that was asked for and has a use."""
        if self.vaults is not None and path == "/responses":
            self.vaults.save(answer_id, owner, vault)


def _stateful(name: str) -> FathomError:
    problem = (
        "refers to texts that were masked before, and nothing of that is kept; send the whole conversation, or start "
        "with --vault-dir, which keeps it encrypted for previous_response_id and answers in the background"
    )
    return FathomError("parameter_invalid", param=name, problem=problem)
