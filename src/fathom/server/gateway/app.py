"""The application: routes and the state they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.responses import Response

from ... import __version__
from ...guard import Masker
from .. import mask
from ..gate import OPEN_PATHS, Gate
from ..wire import shape_errors
from .exchange import FORMATS, Format, forward, pass_through, stored
from .gateway import Gateway, Settings
from .privacy import COOKIE, DAY_S, PRIVATE, check_token
from .privacy_page import privacy_page

__all__ = ["create_gateway"]

_STORED = {"": ["GET", "DELETE"], "/cancel": ["POST"], "/input_items": ["GET"]}  # of an answer at the upstream
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
    app.state.masker = masker
    shape_errors(app)
    app.include_router(mask.router)
    for format in FORMATS:
        app.add_api_route(f"/v1{format.path}", _route(format), methods=["POST"], response_model=None)
    for path, methods in _STORED.items():
        app.add_api_route(f"/v1/responses/{{answer_id}}{path}", stored, methods=methods, response_model=None)
    app.add_api_route("/v1/models", _models, methods=["GET"], response_model=None)
    app.add_api_route("/v1/models/{model:path}", _models, methods=["GET"], response_model=None)
    app.add_api_route("/health", _health, methods=["GET"])
    app.add_api_route("/metrics", _metrics, methods=["GET"], response_class=PlainTextResponse)
    app.add_api_route("/version", _version, methods=["GET"])
    own = {"/privacy": _privacy_page, "/api/v1/privacy": _privacy} if settings.page_token is not None else {}
    for path, route in own.items():
        app.add_api_route(path, route, methods=["GET"], response_model=None)
    app.add_middleware(
        Gate, api_key=settings.api_key, local_only=settings.local_only, open_paths=OPEN_PATHS | own.keys()
    )
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


async def _privacy(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    check_token(request, gateway.settings.page_token)
    records = [record.to_json() for record in reversed(gateway.records)]
    return JSONResponse({"object": "list", "kept": gateway.records.maxlen, "data": records}, headers=PRIVATE)


async def _privacy_page(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    if check_token(request, gateway.settings.page_token):  # the address bar and the history shall not keep it
        response: Response = RedirectResponse("/privacy", 303, PRIVATE)
        response.set_cookie(COOKIE, gateway.settings.page_token or "", max_age=DAY_S, httponly=True, samesite="strict")
        return response
    zh = request.headers.get("accept-language", "").lower().startswith("zh")
    zh = {"zh": True, "en": False}.get(request.query_params.get("lang", ""), zh)
    page = privacy_page(list(reversed(gateway.records)), gateway.records.maxlen or 0, gateway.upstream.url, zh=zh)
    return HTMLResponse(page, headers=PRIVATE)


async def _version() -> dict[str, str]:
    return {"version": __version__}


async def _sweep(gateway: Gateway) -> None:
    while gateway.vaults is not None:
        await asyncio.to_thread(gateway.vaults.sweep)
        await asyncio.sleep(SWEEP_S)
