"""What people change of a climate system over HTTP: devices, windows, the model's version."""

from collections.abc import Callable
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.core.climate import DeviceEdit, WindowOrder
from edgeflow.core.ports import ClimateView
from edgeflow.web.bodies import body_of, decoded, received
from edgeflow.web.problems import json_response

__all__ = ["climate_setting_routes"]

MAX_BODY = 8192
Answer = TypeVar("Answer")
ForgetData = Annotated[bool, Query(description="delete all that is stored of it, too")]


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
        settings = decoded(
            await received(request, MAX_BODY, "a change of a device"), dict[str, Any]
        )
        told = await run_in_threadpool(ask, lambda view: view.configure(device, settings))
        return json_response(told, 202)

    @router.put(
        "/devices/{device:path}/window",
        summary="Set a window; the model learns from it",
        status_code=202,
        openapi_extra=body_of(WindowOrder),
    )
    async def set_window(request: Request, device: str) -> Response:
        order = decoded(await received(request, MAX_BODY, "a change of a device"), WindowOrder)
        await run_in_threadpool(ask, lambda view: view.set_window(device, order))
        return json_response({"ok": True}, 202)

    @router.patch(
        "/devices/{device:path}",
        summary="Name a device, put it into groups; what is left out stays",
        openapi_extra=body_of(DeviceEdit),
    )
    async def edit(request: Request, device: str) -> Response:
        wanted = decoded(await received(request, MAX_BODY, "a change of a device"), DeviceEdit)
        return json_response(await run_in_threadpool(ask, lambda view: view.edit(device, wanted)))

    @router.delete(
        "/devices/{device:path}",
        summary="Take a device out of the registry; it is a new one when it speaks again",
    )
    def remove(device: str, forget_data: ForgetData = False) -> Response:
        count = ask(lambda view: view.remove(device, forget_data=forget_data))
        return json_response({"device_id": device, "deleted_rows": count})

    @router.post("/models/{version}/promote", summary="Let a version of the model decide")
    def promote(version: str) -> Response:
        ask(lambda view: view.promote(version))
        return json_response({"current": version})

    @router.post("/models/rollback", summary="Let the version before decide again")
    def roll_back() -> Response:
        return json_response({"current": ask(lambda view: view.roll_back())})

    return router


_SETTINGS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
