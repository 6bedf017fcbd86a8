"""What left, for the eyes of whoever runs the gateway: the last requests, masked, in memory only, behind a token.

A record holds what the upstream got and counts of what was found. Original values are not in it: they are in the vault,
which is gone when the request ends.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from ...errors import FathomError
from ...guard.bodies import Told, is_conversation
from ...guard.entities import ENTITIES

__all__ = ["COOKIE", "DAY_S", "PRIVATE", "Found", "Record", "check_token"]

COOKIE = "fathom_privacy"
DAY_S = 86_400
LONGEST = 65_536  # characters of one request that are kept
PRIVATE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One type of entity in one request: how often, and how sure the recognisers were."""

    type: str
    count: int
    least_score: float
    best_score: float


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it left, masked. ``texts`` are pairs of place and text; ``omitted`` characters did not fit."""

    route: str
    model: str
    status: int
    size: int
    took_s: float
    texts: tuple[tuple[str, str], ...]
    omitted: int
    found: tuple[Found, ...]
    leaks: Mapping[str, int]
    when: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(
        cls,
        route: str,
        model: str,
        status: int,
        size: int,
        took_s: float,
        *,
        sent: Iterable[Told],
        leaks: Mapping[str, int],
    ) -> Record:
        texts, left, omitted = [], LONGEST, 0
        scores: dict[str, list[float]] = {}
        for told in sorted(sent, key=lambda told: not is_conversation(told.path)):
            texts.append((told.path, told.text[:left]))
            omitted += max(0, len(told.text) - left)
            left = max(0, left - len(told.text))
            for span in told.spans:
                scores.setdefault(span.type, []).append(span.score)
        found = tuple(Found(type, len(each), min(each), max(each)) for type, each in sorted(scores.items()))
        return cls(route, model, status, size, took_s, tuple(texts), omitted, found, dict(leaks))

    def to_json(self) -> dict[str, Any]:
        return {
            "when": self.when.isoformat(timespec="seconds"),
            "route": f"/v1{self.route}",
            "model": self.model,
            "status": self.status,
            "bytes": self.size,
            "seconds": round(self.took_s, 3),
            "texts": [{"path": path, "text": text} for path, text in self.texts if text],
            "omitted_characters": self.omitted,
            "entities": [
                {
                    "type": found.type,
                    "count": found.count,
                    "least_score": round(found.least_score, 2),
                    "best_score": round(found.best_score, 2),
                    "sensitive": found.type in ENTITIES and ENTITIES[found.type].sensitive,
                }
                for found in self.found
            ],
            "leaks": dict(self.leaks),
        }


def check_token(request: Request, token: str | None) -> bool:
    """Whether it came in the query; raises ``page_token_invalid`` where it came in no way."""
    expected = (token or "").encode()
    offered = {
        "query": request.query_params.get("token"),
        "header": request.headers.get("x-privacy-token"),
        "cookie": request.cookies.get(COOKIE),
    }
    for way, value in offered.items():
        if value is not None and expected and hmac.compare_digest(value.encode("utf-8", "replace"), expected):
            return way == "query"
    raise FathomError("page_token_invalid", path=request.url.path)
