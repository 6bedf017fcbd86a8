"""The routes that generate nothing: models, health, metrics, version, tokens."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from .. import __version__
from ..errors import FathomError
from ..guard.inbound import check_size
from .schemas import DetokenizeRequest, TokenizeRequest
from .service import Service, service_of
from .wire import body_of, told

__all__ = ["router"]

router = APIRouter()
Serving = Annotated[Service, Depends(service_of)]


def _card(service: Service) -> dict[str, Any]:
    text = ["text"]
    card: dict[str, Any] = {
        "id": service.model_name,
        "object": "model",
        "created": service.created,
        "owned_by": "fathom",
    }
    card["architecture"] = {"input_modalities": text, "output_modalities": text}
    if service.loaded is not None:
        card["context_length"] = service.loaded.context_length
        card["meta"] = {"n_vocab": service.loaded.config.vocab_size}  # as llama.cpp's server says it
    return card


@router.get("/v1/models")
async def list_models(service: Serving) -> dict[str, Any]:
    return {"object": "list", "data": [_card(service)]}


@router.get("/v1/models/{model:path}")
async def get_model(model: str, service: Serving) -> dict[str, Any]:
    service.check_model(model)
    return _card(service)


@router.get("/health")
async def health(service: Serving) -> dict[str, Any]:
    scheduler = service.llm.engine.scheduler  # 503 while the model loads
    return {"status": "ok", "running": len(scheduler.running), "waiting": len(scheduler.waiting)}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Serving) -> Response:
    return Response(service.metrics.page(), media_type=service.metrics.media_type)


@router.get("/version")
async def version() -> dict[str, str]:
    return {"version": __version__}


@router.post("/tokenize")
async def tokenize(
    body: Annotated[TokenizeRequest, Depends(body_of(TokenizeRequest))], service: Serving, response: Response
) -> dict[str, Any]:
    response.headers.update(told(body))
    check_size(body.content, len(body.content), "content", service.limits)
    encode, special = service.llm.tokenizer.encode, body.parse_special
    return {"tokens": await asyncio.to_thread(encode, body.content, add_bos=body.add_special, allow_special=special)}


@router.post("/detokenize")
async def detokenize(
    body: Annotated[DetokenizeRequest, Depends(body_of(DetokenizeRequest))], service: Serving, response: Response
) -> dict[str, Any]:
    response.headers.update(told(body))
    tokenizer, size = service.llm.tokenizer, service.llm.config.vocab_size
    for token in body.tokens:
        if not 0 <= token < size:
            raise FathomError("token_out_of_range", param="tokens", found=token, last=size - 1)
    return {"content": await asyncio.to_thread(tokenizer.decode, body.tokens, skip_special=False)}
