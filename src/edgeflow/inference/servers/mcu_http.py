"""The HTTP API of microcontroller boards: inference, hot swap, devices.

No handler waits for a wire on the event loop: inference waits for futures of the board's own queue,
swaps run on threads of the fleet, and everything else reads what is known already.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, Depends, File, Path, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from edgeflow.devices.boards.base import Board, BoardModel
from edgeflow.devices.fleet import Fleet, Swap
from edgeflow.errors import EdgeFlowError, UnknownModelError
from edgeflow.inference.servers.mcu_desk import (
    DeviceName,
    InferForm,
    McuDesk,
    McuLimits,
    OptionalFile,
    model_of,
)
from edgeflow.inference.servers.mcu_inputs import VALUES_AT_ONCE, json_rows, write_npy
from edgeflow.inference.servers.mcu_metrics import board_metrics
from edgeflow.inference.servers.mcu_problems import BoardRoute, problem, status_of
from edgeflow.inference.servers.metrics import CONTENT_TYPE, CollectorOf, render

__all__ = ["McuLimits", "mcu_routes"]

ModelId = Annotated[int, Path(ge=0, le=255, description="which of its models")]

POLL_SECONDS = 0.05
"""How often a stream of events looks for new ones."""


def mcu_routes(fleet: Fleet, limits: McuLimits | None = None) -> APIRouter:
    """Return the routes of the API.

    Args:
        fleet: the boards; the first one answers unless a request names another.
        limits: bounds of a request.
    """
    router = APIRouter(tags=["boards"], route_class=BoardRoute)
    desk = McuDesk(fleet, limits or McuLimits())

    @router.get("/health", summary="Whether the board answers, and its dimensions")
    async def health(device: str = "") -> Response:
        return _health(fleet.find(device), {})

    def answering() -> set[str]:
        return {board.name for board in fleet.boards if board.answering}

    @router.get("/healthz", summary="The server answers")
    async def live() -> Response:
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", summary="Every board answers with a model")
    async def ready() -> Response:
        waiting = {board.name: board.state for board in fleet.boards if not board.answering}
        body = {"status": "not ready" if waiting else "ready", "waiting": waiting}
        return JSONResponse(body, 503 if waiting else 200)

    @router.get("/metrics", summary="Numbers for Prometheus")
    def metrics() -> Response:
        page = render([CollectorOf(lambda: board_metrics(fleet.devices(), answering()))])
        return Response(page, media_type=CONTENT_TYPE)

    @router.get("/v2/info", summary="The same with the name of the API")
    async def info(device: str = "") -> Response:
        return _health(fleet.find(device), {"model": "v2"})

    @router.post("/v2/infer", summary="Predictions as JSON; with model_bin, of a new model")
    async def infer(request: Request, form: Annotated[InferForm, Depends()]) -> Response:
        answer = await desk.infer(request, form)
        rows = answer.predictions
        if rows.size > VALUES_AT_ONCE:
            predictions = await asyncio.to_thread(json_rows, rows)
        else:
            predictions = json_rows(rows)
        body = {
            "ok": True,
            "device": _device(answer.model),
            "timing_ms": answer.timing_ms,
            "pred": msgspec.Raw(predictions),
        }
        return _json(body)

    @router.post("/v2/infer_npy", summary="The same as a .npy file")
    async def infer_npy(request: Request, form: Annotated[InferForm, Depends()]) -> Response:
        answer = await desk.infer(request, form)
        content = write_npy(np.ascontiguousarray(answer.predictions, "<f4"))
        return Response(content, media_type="application/octet-stream")

    @router.get("/v2/devices", summary="All boards")
    def devices() -> Response:
        return _json(fleet.devices())

    @router.get("/v2/models", summary="The models of all boards, or of one")
    def models(device: str = "") -> Response:
        boards = [fleet.find(device)] if device else fleet.boards
        return _json({board.name: fleet.status_of(board).models for board in boards})

    @router.post("/v2/models/{model}", summary="Begin a swap", status_code=202)
    async def swap(
        model: ModelId,
        model_bin: Annotated[UploadFile, File()],
        model_meta: OptionalFile = None,
        device: DeviceName = "",
    ) -> Response:
        file, meta = await desk.read_model(model_bin, model_meta)
        return _begun(fleet.start_swap(device, file, meta, model))

    @router.post("/v2/models/{model}/rollback", summary="Begin to go back", status_code=202)
    async def roll_back(model: ModelId, device: str = "") -> Response:
        return _begun(fleet.start_roll_back(device, model))

    @router.get("/v2/swaps/{swap}", summary="How far a swap is")
    def progress(swap: str) -> Response:
        return _json(_told(_found(fleet, swap)))

    @router.get("/v2/swaps/{swap}/events", summary="Its steps as server-sent events")
    async def events(request: Request, swap: str) -> Response:
        found = _found(fleet, swap)
        return StreamingResponse(
            _events(request, found),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return router


def _device(about: BoardModel) -> dict[str, int]:
    return {
        "T": about.steps,
        "F": about.features,
        "H": about.horizon,
        "hidden": about.hidden,
    }


def _health(board: Board, more: dict[str, Any]) -> Response:
    try:
        about = model_of(board, 0)
        port = board.info.port
    except EdgeFlowError as error:
        status = board.status()
        response = problem(status_of(error), error.message, error.hint, error.code)
        content = json.loads(bytes(response.body)) | {"port": status.port, "state": status.state}
        return JSONResponse(content, response.status_code, media_type="application/problem+json")
    return JSONResponse({"ok": True, "device": _device(about), "port": port, **more})


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _begun(swap: Swap) -> Response:
    place = f"/v2/swaps/{swap.id}"
    body = {"ok": True, "swap": swap.id, "device": swap.device, "events": f"{place}/events"}
    return JSONResponse(body, 202, headers={"location": place})


def _found(fleet: Fleet, number: str) -> Swap:
    swap = fleet.change(number)
    if swap is None:
        raise UnknownModelError(f"there is no swap {number!r}", code="EF-DEVICE-404")
    return swap


def _told(swap: Swap) -> dict[str, Any]:
    error = swap.error
    return {
        "swap": swap.id,
        "device": swap.device,
        "model": swap.model,
        "over": swap.over,
        "ok": None if not swap.over else error is None,
        "error": str(error) if error is not None else "",
        "steps": swap.steps(),
    }


async def _events(request: Request, swap: Swap) -> AsyncIterator[bytes]:
    """Yield each step as an event named after it, until the swap is over or the client leaves."""
    sent = 0
    while True:
        over = swap.over
        for step in swap.steps(sent):
            sent += 1
            data = msgspec.json.encode(step)
            yield b"id: %d\nevent: %s\ndata: %s\n\n" % (sent, step.step.encode(), data)
        if over or await request.is_disconnected():
            return
        await asyncio.sleep(POLL_SECONDS)
