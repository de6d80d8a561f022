"""What people change of a climate system over HTTP: devices, windows, the model's version."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.core.climate import DeviceEdit, WindowOrder
from edgeflow.core.ports import ClimateView
from edgeflow.web.problems import Problem, json_response

__all__ = ["climate_setting_routes"]

MAX_BODY = 8192
Kind = TypeVar("Kind")
Answer = TypeVar("Answer")


class Ask(Protocol):
    """Answers a question about the climate system, or raises what a client is told."""

    def __call__(self, question: Callable[[ClimateView], Answer]) -> Answer:
        """Answer it."""
        ...


def climate_setting_routes(ask: Ask) -> APIRouter:
    """Return what changes a climate system."""
    router = APIRouter()

    # A board without a name of its own is called by its port, which has slashes.
    @router.get(
        "/devices/{device:path}/configuration", summary="What a device was told and answered"
    )
    def configuration(device: str) -> Response:
        return json_response(ask(lambda view: view.configuration(device)))

    @router.patch(
        "/devices/{device:path}/configuration",
        summary="Tell a device settings; null takes one back, what is left out stays",
        status_code=202,
        openapi_extra=_SETTINGS,
    )
    async def configure(request: Request, device: str) -> Response:
        settings = _decoded(await _body(request), dict[str, Any])
        told = await run_in_threadpool(ask, lambda view: view.configure(device, settings))
        return json_response(told, 202)

    @router.put(
        "/devices/{device:path}/window",
        summary="Set a window; the model learns from it",
        status_code=202,
        openapi_extra=_body_of(WindowOrder),
    )
    async def set_window(request: Request, device: str) -> Response:
        order = _decoded(await _body(request), WindowOrder)
        await run_in_threadpool(ask, lambda view: view.set_window(device, order))
        return json_response({"ok": True}, 202)

    @router.patch(
        "/devices/{device:path}",
        summary="Name a device, put it into groups; what is left out stays",
        openapi_extra=_body_of(DeviceEdit),
    )
    async def edit(request: Request, device: str) -> Response:
        wanted = _decoded(await _body(request), DeviceEdit)
        return json_response(await run_in_threadpool(ask, lambda view: view.edit(device, wanted)))

    @router.post("/models/{version}/promote", summary="Let a version of the model decide")
    def promote(version: str) -> Response:
        ask(lambda view: view.promote(version))
        return json_response({"current": version})

    @router.post("/models/rollback", summary="Let the version before decide again")
    def roll_back() -> Response:
        return json_response({"current": ask(lambda view: view.roll_back())})

    return router


async def _body(request: Request) -> bytes:
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > MAX_BODY:
            raise Problem(413, f"what is set of a device has at most {MAX_BODY} bytes")
    return bytes(taken)


def _decoded(text: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(422, f"the body does not fit: {error}", hint="see /docs") from None


def _body_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_SETTINGS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
