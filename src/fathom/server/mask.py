"""``POST /api/v1/mask`` and ``/api/v1/unmask``: masking for whoever speaks HTTP. Nothing is kept between two calls; the
client gets the vault and brings it back."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from ..errors import FathomError
from ..guard import Masked, Masker, Unmasker, Vault
from ..guard.entities import DEFAULT_TYPES, ENTITIES
from ..guard.operators import OPERATORS
from ..guard.vault import LONGEST
from .wire import Body, body_of, told

__all__ = ["BODIES", "MaskRequest", "UnmaskRequest", "router"]

router = APIRouter()
MOST_WORDS = 2**18  # characters of a dictionary: each takes up to 300 bytes while it is compiled
Value = Annotated[str, Field(min_length=1, max_length=4096)]
Type = Annotated[str, Field(json_schema_extra={"enum": [*ENTITIES]})]
Operator = Annotated[str, Field(json_schema_extra={"enum": [*OPERATORS]})]
Pattern = Annotated[str, Field(min_length=1, max_length=1024)]


class MaskRequest(Body):
    """``dictionary``: value to type; ``patterns``: RE2 expression to type; ``key``: for the operator hash."""

    text: str | Annotated[list[str], Field(max_length=4096)]
    types: Annotated[list[Type], Field(max_length=64)] | None = None
    operator: Operator | dict[Type, Operator] | None = None
    dictionary: Annotated[dict[Value, Type], Field(max_length=4096)] | None = None
    patterns: Annotated[dict[Pattern, Type], Field(max_length=64)] | None = None
    allow: Annotated[list[Value], Field(max_length=4096)] | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    strict: bool | None = None
    key: Annotated[str, Field(min_length=16, max_length=1024)] | None = None


class UnmaskRequest(Body):
    text: str | Annotated[list[str], Field(max_length=4096)]
    vault: dict[Annotated[str, Field(min_length=1, max_length=LONGEST)], str]


BODIES: dict[str, type[Body]] = {"/api/v1/mask": MaskRequest, "/api/v1/unmask": UnmaskRequest}


@router.post("/api/v1/mask")
async def mask(
    body: Annotated[MaskRequest, Depends(body_of(MaskRequest))], request: Request, response: Response
) -> dict[str, Any]:
    response.headers.update(told(body))
    usual = getattr(request.app.state, "masker", None)  # the gateway's, which knows the operator's dictionary
    return await asyncio.to_thread(_masked, body, usual)


@router.post("/api/v1/unmask")
async def unmask(body: Annotated[UnmaskRequest, Depends(body_of(UnmaskRequest))], response: Response) -> dict[str, Any]:
    response.headers.update(told(body))
    return await asyncio.to_thread(_unmasked, body)


@cache
def _usual() -> Masker:
    return Masker()


def _masker(body: MaskRequest, usual: Masker | None) -> Masker:
    if body.model_fields_set <= {"text"}:
        return usual or _usual()
    if sum(map(len, body.dictionary or ())) > MOST_WORDS:
        problem = f"more than {MOST_WORDS} characters in all"
        raise FathomError("parameter_invalid", param="dictionary", problem=problem)
    return Masker(
        DEFAULT_TYPES if body.types is None else body.types,
        operator="placeholder" if body.operator is None else body.operator,
        dictionary=body.dictionary or {},
        patterns=body.patterns or {},
        allow=body.allow or (),
        threshold=0.5 if body.threshold is None else body.threshold,
        strict=bool(body.strict),
        key=None if body.key is None else body.key.encode(),
    )


def _masked(body: MaskRequest, usual: Masker | None) -> dict[str, Any]:
    """One text or several that belong together; they share the vault."""
    vault = Vault()
    texts = [body.text] if isinstance(body.text, str) else body.text
    masked = _masker(body, usual).mask_all(texts, vault)
    entities = [_entities(one) for one in masked]
    alone = isinstance(body.text, str)
    return {
        "text": masked[0].text if alone else [one.text for one in masked],
        "entities": entities[0] if alone else entities,
        "vault": dict(vault.tokens()),
    }


def _entities(masked: Masked) -> list[dict[str, Any]]:
    """Places in code points of the original."""
    return [
        {"type": span.type, "start": span.start, "end": span.end, "score": round(span.score, 3)}
        for span in masked.entities
    ]


def _unmasked(body: UnmaskRequest) -> dict[str, Any]:
    """``unknown``: placeholders in the text that the vault does not have."""
    unmasker = Unmasker(Vault.of(body.vault))
    texts = [body.text] if isinstance(body.text, str) else body.text
    said = [unmasker.feed(text, end=True) for text in texts]
    return {"text": said[0] if isinstance(body.text, str) else said, "unknown": list(unmasker.unknown)}
