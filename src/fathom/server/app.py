"""The application: routes, error handlers and the state they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from .. import __version__
from ..errors import FathomError
from . import chat, completions, models
from .gate import Gate
from .jobs import Line
from .schemas import ChatRequest, CompletionRequest, DetokenizeRequest, TokenizeRequest
from .service import Service
from .wire import BODY_LIMIT, Body, error_response

if TYPE_CHECKING:
    from ..llm import LLM

__all__ = ["create_app"]

_BODIES: dict[str, type[Body]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/tokenize": TokenizeRequest,
    "/detokenize": DetokenizeRequest,
}


def create_app(
    llm: LLM | None,
    *,
    model_name: str,
    max_queue: int = 32,
    api_key: str | None = None,
    local_only: bool = True,
    body_limit: int = BODY_LIMIT,
) -> FastAPI:
    """An ASGI application that serves ``llm`` under ``model_name``.

    ``llm=None``: still loading; set ``app.state.service.llm`` when it is there. ``local_only``: accept only local names
    in the Host header (right for a loopback address).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await app.state.service.line.close()

    app = FastAPI(title="fathom", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = Service(llm, model_name, Line(max_queue))
    app.state.body_limit = body_limit
    app.add_exception_handler(FathomError, _on_fathom_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    for room in (models, chat, completions):
        app.include_router(room.router)
    app.add_middleware(Gate, api_key=api_key, local_only=local_only)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _on_fathom_error(_: Request, error: Exception) -> JSONResponse:
    return error_response(error)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    """What the router says by itself: 404 and 405."""
    assert isinstance(error, HTTPException)
    code = {404: "route_unknown", 405: "method_not_allowed"}.get(error.status_code, "request_invalid")
    fields = {"method": request.method, "path": request.url.path, "problem": error.detail}
    return error_response(FathomError(code, **fields), error.headers)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document and, since bodies are read by :mod:`wire`, their schemas."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, bodies = models_json_schema(
            [(model, "validation") for model in _BODIES.values()], ref_template="#/components/schemas/{model}"
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(bodies["$defs"])
        for path, model in _BODIES.items():
            schema = {"$ref": f"#/components/schemas/{model.__name__}"}
            document["paths"][path]["post"]["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": schema}},
            }
        app.openapi_schema = document
    return app.openapi_schema
