"""A climate system over HTTP: devices, windows, the model, and whether all is well."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from starlette.responses import Response

from edgeflow.core.ports import ClimateView
from edgeflow.errors import (
    CommsError,
    ConfigError,
    EdgeFlowError,
    OverloadedError,
    StoreError,
    UnknownModelError,
)
from edgeflow.web.climate_setting import climate_setting_routes
from edgeflow.web.problems import Problem, json_response

__all__ = ["climate_routes"]

Answer = TypeVar("Answer")
LONGEST_SECONDS = 90 * 86_400.0

Seconds = Annotated[
    float, Query(ge=60, le=LONGEST_SECONDS, description="the stretch of time up to now")
]
Text = Annotated[str, Query(max_length=80)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def climate_routes(climate: ClimateView | None) -> APIRouter:
    """Return what shows a climate system, and what changes it."""
    router = APIRouter(prefix="/api/climate", tags=["climate"])

    ask = partial(asked, climate)

    @router.get("", summary="The climate system in a few numbers; null where there is none")
    def summary() -> Response:
        return json_response(climate.summary() if climate is not None else None)

    @router.get("/devices", summary="Devices of the climate system with their newest values")
    def devices(
        group: Text = "", tag: Text = "", search: Text = "", after: Text = "", limit: Limit = 200
    ) -> Response:
        return json_response(
            ask(
                lambda view: view.devices(
                    group=group, tag=tag, search=search, after=after, limit=limit
                )
            )
        )

    @router.get("/overview", summary="All devices over a stretch of time")
    def overview(seconds: Seconds = 21_600.0, group: Text = "") -> Response:
        return json_response(ask(lambda view: view.overview(seconds, group=group)))

    # What follows the name of a device comes before the name alone, which may have slashes.
    router.include_router(climate_setting_routes(ask))

    @router.get("/devices/{device:path}", summary="A device over a stretch of time")
    def device(device: str, seconds: Seconds = 86_400.0) -> Response:
        return json_response(ask(lambda view: view.device(device, seconds)))

    @router.get("/learning", summary="The model over a stretch of time")
    def learning(seconds: Seconds = 86_400.0) -> Response:
        return json_response(ask(lambda view: view.learning(seconds)))

    @router.get("/health", summary="Services, messages and errors over a stretch of time")
    def health(seconds: Seconds = 21_600.0) -> Response:
        return json_response(ask(lambda view: view.health(seconds)))

    return router


def asked(climate: ClimateView | None, question: Callable[[ClimateView], Answer]) -> Answer:
    """Answer a question about a climate system.

    Raises:
        Problem: what a client is told when there is none, or it refuses.
    """
    if climate is None:
        raise Problem(404, "there is no climate system here")
    try:
        return question(climate)
    except EdgeFlowError as error:
        raise Problem(_status(error), error.message, hint=error.hint) from error


def _status(error: EdgeFlowError) -> int:
    if error.code == "EF-DEVICE-404" or isinstance(error, UnknownModelError):
        return 404
    if isinstance(error, ConfigError):
        return 422
    return 503 if isinstance(error, StoreError | OverloadedError | CommsError) else 500
