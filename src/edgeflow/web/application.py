"""Puts the web application together."""

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from edgeflow.config import settings
from edgeflow.core.ports import (
    ActivityView,
    ClimateView,
    DeviceView,
    FlowView,
    FrameSource,
    ModelView,
)
from edgeflow.core.sensing import SensingDesk
from edgeflow.errors import EdgeFlowError
from edgeflow.web.access import Access, AccessRules
from edgeflow.web.api import activity_routes, flow_routes, health_routes, stream_routes
from edgeflow.web.climate import climate_routes
from edgeflow.web.devices import device_routes
from edgeflow.web.mjpeg import Encoder
from edgeflow.web.own_routes import BodyLimit, CustomRoute, add_own_routes
from edgeflow.web.problems import on_problem, problem_response
from edgeflow.web.sensing import sensing_routes
from edgeflow.web.stats import Feed, stats_routes
from edgeflow.web.streams import Hub

__all__ = ["build", "declare"]

STATIC = Path(__file__).parent / "static"
_ABSENT = (
    "<!doctype html><title>EdgeFlow</title><p>The dashboard has not been built: run "
    "<code>make frontend</code>. The <a href='/openapi.json'>API</a> works without it.</p>"
)


def build(
    app_name: str,
    *,
    view: FlowView,
    frames: FrameSource,
    hub: Hub,
    encoder: Encoder,
    rules: AccessRules,
    closing: asyncio.Event,
    routes: Sequence[CustomRoute] = (),
    models: ModelView | None = None,
    activity: ActivityView | None = None,
    devices: DeviceView | None = None,
    sensing: SensingDesk | None = None,
    climate: ClimateView | None = None,
    routers: Sequence[APIRouter] = (),
) -> ASGIApp:
    """Return the ASGI application of one gateway, access rules and all."""
    app = declare(
        app_name,
        view=view,
        frames=frames,
        hub=hub,
        encoder=encoder,
        closing=closing,
        routes=routes,
        models=models,
        activity=activity,
        devices=devices,
        sensing=sensing,
        climate=climate,
        routers=routers,
    )
    return Access(BodyLimit(app, settings.MAX_FRAME_BYTES), rules)


def declare(
    app_name: str,
    *,
    view: FlowView,
    frames: FrameSource,
    hub: Hub,
    encoder: Encoder,
    closing: asyncio.Event,
    routes: Sequence[CustomRoute] = (),
    models: ModelView | None = None,
    activity: ActivityView | None = None,
    devices: DeviceView | None = None,
    sensing: SensingDesk | None = None,
    climate: ClimateView | None = None,
    routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """Return every route of one gateway; those of ``routers`` come before our own.

    Raises:
        ConfigError: one of ``routes`` cannot be served.
    """
    app = FastAPI(
        title=f"EdgeFlow: {app_name}",
        version=version("edgeflow"),
        docs_url=None,
        redoc_url=None,
    )
    for router in routers:
        app.include_router(router)
    app.include_router(health_routes(view))
    app.include_router(flow_routes(view))
    app.include_router(activity_routes(models, activity))
    app.include_router(device_routes(devices))
    app.include_router(sensing_routes(sensing, closing))
    app.include_router(climate_routes(climate))
    app.include_router(stream_routes(frames, hub, encoder, closing))
    app.include_router(
        stats_routes(
            lambda: Feed(view, hub, models, activity, devices, sensing=sensing, climate=climate),
            closing,
        )
    )
    _add_pages(app)
    add_own_routes(app, routes)
    app.add_exception_handler(EdgeFlowError, on_problem)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(Exception, _on_failure)
    return app


class _Assets(StaticFiles):
    """Built files; their names contain a hash, so they never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if path.startswith("assets/"):
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def root() -> Response:
        return RedirectResponse("/dashboard")

    @app.get("/dashboard", include_in_schema=False)
    def dashboard() -> Response:
        return _page("index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        return _page("docs.html")

    if STATIC.is_dir():
        app.mount("/static", _Assets(directory=STATIC), name="static")


def _page(name: str) -> Response:
    path = STATIC / name
    if not path.is_file():
        return HTMLResponse(_ABSENT, 503)
    return FileResponse(path, headers={"cache-control": "no-cache"})


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these only
    status = error.status_code
    hint = "see /docs for what there is" if status == 404 else ""
    response = problem_response(status, f"{_asked(request)}: {error.detail}", hint)
    response.headers.update(error.headers or {})
    return response


async def _on_bad_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these only
    places = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
    texts = [f"{at}: {e['msg']}" for at, e in zip(places, error.errors(), strict=True)]
    return problem_response(422, "; ".join(texts))


async def _on_failure(request: Request, error: Exception) -> Response:
    message = f"{_asked(request)} failed with {type(error).__name__}"
    return problem_response(500, message, "the log has the traceback")


def _asked(request: Request) -> str:
    return f"{request.method} {request.scope['path']}"
