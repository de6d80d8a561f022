"""Setting nodes that sense over HTTP: what they know of their rooms, and how they are sensed."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.core.sensing import NodeSettings, Room, SensingDesk
from edgeflow.errors import ConfigError, EdgeFlowError, StoreError
from edgeflow.web.bodies import body_of, decoded, received
from edgeflow.web.problems import Problem, json_response

__all__ = ["asked", "setting_routes"]

MAX_BODY = 4096
Struct = TypeVar("Struct", bound=msgspec.Struct)
Answer = TypeVar("Answer")
Moment = Annotated[float, Query(description="Unix seconds")]


def setting_routes(desk: SensingDesk | None) -> APIRouter:
    """Return what sets nodes, and reads what the store holds of them."""
    router = APIRouter(prefix="/api/csi/nodes/{name}", tags=["sensing"])

    ask = partial(asked, desk)

    @router.get("/calibration", summary="How well a CSI node knows its empty room")
    def calibration(name: str) -> Response:
        return json_response(ask(lambda desk: desk.calibration(name)))

    @router.post("/calibration", summary="Begin to learn the empty room", status_code=202)
    def begin(name: str) -> Response:
        ask(lambda desk: desk.calibrate(name))
        return json_response(ask(lambda desk: desk.calibration(name)), 202)

    @router.delete("/calibration", summary="Stop learning; what was known before counts again")
    def stop(name: str) -> Response:
        ask(lambda desk: desk.stop_calibration(name))
        return json_response(ask(lambda desk: desk.calibration(name)))

    @router.put(
        "/calibration", summary="Take over what was learnt before", openapi_extra=body_of(Room)
    )
    async def put(request: Request, name: str) -> Response:
        room = decoded(await received(request, MAX_BODY, "the settings of a node"), Room)
        await run_in_threadpool(ask, lambda desk: desk.set_room(name, room))
        return json_response(ask(lambda desk: desk.calibration(name)))

    @router.get("/configuration", summary="How the frames of a CSI node are sensed")
    def configuration(name: str) -> Response:
        return json_response(ask(lambda desk: desk.settings(name)))

    @router.patch(
        "/configuration",
        summary="Sense them otherwise; what is left out stays",
        openapi_extra=body_of(NodeSettings),
    )
    async def configure(request: Request, name: str) -> Response:
        given = decoded(await received(request, MAX_BODY, "the settings of a node"), dict[str, Any])
        now = msgspec.structs.asdict(ask(lambda desk: desk.settings(name)))
        wanted = decoded(msgspec.json.encode(now | given), NodeSettings)
        await run_in_threadpool(ask, lambda desk: desk.configure(name, wanted))
        return json_response(wanted)

    @router.get("/kept", summary="Vitals of a CSI node in the store, or of the last day")
    def kept(
        name: str,
        since: Moment = 0.0,
        until: Moment = 1e12,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> Response:
        return json_response(ask(lambda desk: desk.kept(name, since, until, limit)))

    return router


def asked(desk: SensingDesk | None, question: Callable[[SensingDesk], Answer]) -> Answer:
    """Answer a question about nodes.

    Raises:
        Problem: what a client is told when there are no nodes, or the desk refuses.
    """
    if desk is None:
        raise Problem(404, "there are no nodes that sense here")
    try:
        return question(desk)
    except EdgeFlowError as error:
        raise _refusal(error) from error


def _refusal(error: EdgeFlowError) -> Problem:
    if isinstance(error, StoreError):
        return Problem(500, error.message, hint=error.hint)
    if error.code == "EF-DEVICE-404":
        return Problem(404, error.message, hint=error.hint)
    return Problem(409 if isinstance(error, ConfigError) else 500, error.message, hint=error.hint)
