"""The application: routes and the state they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from ... import __version__
from ...guard import Masker
from ..gate import Gate
from ..wire import shape_errors
from .exchange import FORMATS, Format, forward, pass_through
from .gateway import Gateway, Settings

__all__ = ["create_gateway"]

SWEEP_S = 60.0  # between two looks for expired vaults


def create_gateway(settings: Settings, masker: Masker) -> FastAPI:
    """An ASGI application that sends requests on to ``settings.upstream``, masked by ``masker``."""
    gateway = Gateway(settings, masker)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(gateway))
        yield
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper
        await gateway.upstream.close()

    app = FastAPI(title="fathom gateway", version=__version__, openapi_url=None, lifespan=lifespan)
    app.state.gateway = gateway
    app.state.limits = settings.limits
    shape_errors(app)
    for format in FORMATS:
        app.add_api_route(f"/v1{format.path}", _route(format), methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", _models, methods=["GET"], response_model=None)
    app.add_api_route("/v1/models/{model:path}", _models, methods=["GET"], response_model=None)
    app.add_api_route("/health", _health, methods=["GET"])
    app.add_api_route("/metrics", _metrics, methods=["GET"], response_class=PlainTextResponse)
    app.add_api_route("/version", _version, methods=["GET"])
    app.add_middleware(Gate, api_key=settings.api_key, local_only=settings.local_only)
    return app


def _route(format: Format) -> Callable[[Request], Awaitable[Response]]:
    async def route(request: Request) -> Response:
        return await forward(request, format)

    return route


async def _models(request: Request) -> Response:
    return await pass_through(request, request.url.path.removeprefix("/v1"))


async def _health(request: Request) -> dict[str, Any]:
    gateway: Gateway = request.app.state.gateway
    return {"status": "ok", "upstream": gateway.upstream.host}


async def _metrics(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    return Response(gateway.metrics.page(), media_type=gateway.metrics.media_type)


async def _version() -> dict[str, str]:
    return {"version": __version__}


async def _sweep(gateway: Gateway) -> None:
    while gateway.vaults is not None:
        await asyncio.to_thread(gateway.vaults.sweep)
        await asyncio.sleep(SWEEP_S)
