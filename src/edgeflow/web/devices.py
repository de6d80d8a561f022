"""The REST API of devices for the dashboard: what they are, and changing their models."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.core.ports import DeviceView
from edgeflow.errors import ConfigError, OverloadedError
from edgeflow.web.bodies import received
from edgeflow.web.problems import Problem, json_response

__all__ = ["device_routes"]

MAX_MODEL_BYTES = 4 << 20

ModelId = Annotated[int, Path(ge=0, le=255)]


def device_routes(devices: DeviceView | None) -> APIRouter:
    """Return what shows devices and changes their models."""
    router = APIRouter(prefix="/api/devices", tags=["devices"])

    def view() -> DeviceView:
        if devices is None:
            raise Problem(404, "there are no devices here")
        return devices

    @router.get("", summary="All devices with models, queues and latency")
    def all_devices() -> Response:
        return json_response(devices.devices() if devices is not None else [])

    # A board without a name of its own is called by its port, which has slashes.
    @router.put(
        "/{name:path}/models/{model}", summary="Put a model file on a device", status_code=202
    )
    async def swap(request: Request, name: str, model: ModelId) -> Response:
        file = await received(request, MAX_MODEL_BYTES, "a model file")
        try:
            await asyncio.to_thread(view().swap, name, file, model)
        except (ConfigError, OverloadedError) as error:
            raise _refusal(error) from error
        return json_response({"ok": True}, 202)

    @router.post("/{name:path}/models/{model}/rollback", summary="Go back", status_code=202)
    def roll_back(name: str, model: ModelId) -> Response:
        try:
            view().roll_back(name, model)
        except (ConfigError, OverloadedError) as error:
            raise _refusal(error) from error
        return json_response({"ok": True}, 202)

    return router


def _refusal(error: ConfigError | OverloadedError) -> Problem:
    unknown = error.code == "EF-DEVICE-404"
    status = 404 if unknown else 409 if isinstance(error, OverloadedError) else 422
    return Problem(status, error.message, hint=error.hint)
