"""WASM modules over HTTP, for nodes whose frames are sensed here."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.core.sensing import ModuleChange, SensingDesk
from edgeflow.web.bodies import received
from edgeflow.web.problems import json_response
from edgeflow.web.sensing_setting import asked

__all__ = ["MAX_MODULE_BYTES", "module_routes"]

MAX_MODULE_BYTES = 1 << 20

Number = Annotated[int, Path(ge=0, lt=2**31)]
Node = Annotated[str | None, Query(max_length=200, description="its name; all nodes if left out")]

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def module_routes(desk: SensingDesk | None) -> APIRouter:
    """Return what shows and changes modules."""
    router = APIRouter(prefix="/api/csi/modules", tags=["sensing"])

    ask = partial(asked, desk)

    def change(number: int, how: ModuleChange) -> Response:
        ask(lambda desk: desk.change_module(number, how))
        return json_response(ask(lambda desk: desk.modules()))

    @router.get("", summary="The WASM modules that run here; `max` 0 where none are taken")
    def modules() -> Response:
        empty = {"modules": [], "loaded": 0, "max": 0}
        return json_response(desk.modules() if desk is not None else empty)

    @router.post(
        "", summary="Load a signed module (RVF) and run it", status_code=201, openapi_extra=_BODY
    )
    async def load(request: Request, node: Node = None) -> Response:
        image = await received(request, MAX_MODULE_BYTES, "a module")
        number = await run_in_threadpool(ask, lambda desk: desk.load_module(image, node))
        return json_response({"id": number}, 201)

    @router.post("/{number}/start", summary="Let a module run")
    def start(number: Number) -> Response:
        return change(number, "start")

    @router.post("/{number}/stop", summary="Call a module no more")
    def stop(number: Number) -> Response:
        return change(number, "stop")

    @router.delete("/{number}", summary="Forget a module")
    def delete(number: Number) -> Response:
        return change(number, "delete")

    return router
