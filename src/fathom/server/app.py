"""The application: routes, error handlers and the state they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from .. import __version__
from ..guard.limits import DEFAULT, Limits
from . import chat, completions, mask, models
from .gate import Gate
from .schemas import ChatRequest, CompletionRequest, DetokenizeRequest, TokenizeRequest
from .service import Service
from .wire import Body, shape_errors

if TYPE_CHECKING:
    from ..llm import LLM

__all__ = ["create_app"]

_BODIES: dict[str, type[Body]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/tokenize": TokenizeRequest,
    "/detokenize": DetokenizeRequest,
    **mask.BODIES,
}
_NULLABLE = {"type": ["string", "null"]}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": _NULLABLE,
                "code": _NULLABLE,
            },
        }
    },
}


def create_app(
    llm: LLM | None,
    *,
    model_name: str,
    max_queue: int = 32,
    api_key: str | None = None,
    local_only: bool = True,
    limits: Limits = DEFAULT,
) -> FastAPI:
    """An ASGI application that serves ``llm`` under ``model_name``.

    ``llm=None``: still loading; set ``app.state.service.llm`` when it is there. ``local_only``: accept only local names
    in the Host header (right for a loopback address).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if app.state.service.loaded is not None:
            await asyncio.to_thread(app.state.service.llm.engine.close)

    app = FastAPI(title="fathom", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = Service(llm, model_name, max_queue, limits)
    app.state.limits = limits
    shape_errors(app)
    for room in (models, chat, completions, mask):
        app.include_router(room.router)
    app.add_middleware(Gate, api_key=api_key, local_only=local_only)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with the bodies that :mod:`wire` reads and the one shape all errors have."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    _, bodies = models_json_schema(
        [(model, "validation") for model in _BODIES.values()], ref_template="#/components/schemas/{model}"
    )
    document["components"] = {"schemas": {**bodies["$defs"], "Error": _ERROR}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # FastAPI's own, which never occurs
            operation["responses"]["default"] = {"description": "Error", "content": _json("Error")}
        if path in _BODIES:
            operations["post"]["requestBody"] = {"required": True, "content": _json(_BODIES[path].__name__)}
    app.openapi_schema = document
    return document


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
