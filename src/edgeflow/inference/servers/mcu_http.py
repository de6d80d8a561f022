"""The HTTP API of microcontroller boards: inference, hot swap, devices.

No handler waits for a wire on the event loop: inference waits for futures of the board's own queue,
swaps run on threads of the fleet, and everything else reads what is known already.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, File, Form, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from edgeflow.devices.boards.base import Board, BoardModel, BoardState
from edgeflow.devices.fleet import Fleet, Swap
from edgeflow.errors import (
    CancelledError,
    EdgeFlowError,
    FrameTooLargeError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.servers.mcu_batch import Batch
from edgeflow.inference.servers.mcu_inputs import check_samples, read_npy, write_npy
from edgeflow.inference.servers.mcu_metrics import board_metrics
from edgeflow.inference.servers.mcu_problems import BoardRoute, problem, status_of
from edgeflow.inference.servers.metrics import CONTENT_TYPE, CollectorOf, render
from edgeflow.protocols.model_file import check_meta, parse_model

__all__ = ["McuLimits", "mcu_routes"]

DeviceName = Annotated[str, Form(description="which board; the first one if not given")]
OptionalFile = Annotated[UploadFile | None, File()]

POLL_SECONDS = 0.05
"""How often a stream of events looks for new ones."""


@dataclass(frozen=True, slots=True)
class McuLimits:
    """Bounds of a request.

    Attributes:
        input_bytes: of ``input_npy``.
        model_bytes: of ``model_bin``; ``meta_bytes``: of ``model_meta``.
        sample_s: for one sample, from its turn to its answer.
        swap_s: for a swap.
        in_flight: samples of one request that wait on the board's queue at once.
    """

    input_bytes: int = 64 << 20
    model_bytes: int = 4 << 20
    meta_bytes: int = 64 << 10
    sample_s: float = 10.0
    swap_s: float = 600.0
    in_flight: int = 32


class InferForm:
    """The fields of an inference request."""

    def __init__(
        self,
        *,
        input_npy: Annotated[UploadFile, File(description="float (T, F) or (N, T, F)")],
        model_bin: OptionalFile = None,
        model_meta: OptionalFile = None,
        device: DeviceName = "",
        model: Annotated[int, Form(ge=0, le=255, description="which of its models")] = 0,
    ) -> None:
        self.input_npy = input_npy
        self.model_bin = model_bin
        self.model_meta = model_meta
        self.device = device
        self.model = model


@dataclass(frozen=True, slots=True)
class _Answer:
    predictions: npt.NDArray[np.float32]
    device: dict[str, int]
    timing_ms: dict[str, float]


def mcu_routes(fleet: Fleet, limits: McuLimits | None = None) -> APIRouter:
    """Return the routes of the API.

    Args:
        fleet: the boards; the first one answers unless a request names another.
        limits: bounds of a request.
    """
    router = APIRouter(tags=["boards"], route_class=BoardRoute)
    desk = _Desk(fleet, limits or McuLimits())

    @router.get("/health", summary="Whether the board answers, and its dimensions")
    async def health(device: str = "") -> Response:
        return _health(fleet.find(device), {})

    @router.get("/healthz", summary="The server answers")
    async def live() -> Response:
        return JSONResponse({"status": "ok"})

    @router.get("/readyz", summary="Every board answers with a model")
    async def ready() -> Response:
        states = {device.name: device.state for device in fleet.devices()}
        waiting = {name: state for name, state in states.items() if state != BoardState.READY}
        body = {"status": "not ready" if waiting else "ready", "waiting": waiting}
        return JSONResponse(body, 503 if waiting else 200)

    @router.get("/metrics", summary="Numbers for Prometheus")
    async def metrics() -> Response:
        page = render([CollectorOf(lambda: board_metrics(fleet.devices()))])
        return Response(page, media_type=CONTENT_TYPE)

    @router.get("/v2/info", summary="The same with the name of the API")
    async def info(device: str = "") -> Response:
        return _health(fleet.find(device), {"model": "v2"})

    @router.post("/v2/infer", summary="Predictions as JSON; with model_bin, of a new model")
    async def infer(request: Request, form: Annotated[InferForm, Depends()]) -> Response:
        answer = await desk.infer(request, form)
        body = {
            "ok": True,
            "device": answer.device,
            "timing_ms": answer.timing_ms,
            "pred": answer.predictions.tolist(),
        }
        return JSONResponse(body)

    @router.post("/v2/infer_npy", summary="The same as a .npy file")
    async def infer_npy(request: Request, form: Annotated[InferForm, Depends()]) -> Response:
        answer = await desk.infer(request, form)
        content = write_npy(np.ascontiguousarray(answer.predictions, "<f4"))
        return Response(content, media_type="application/octet-stream")

    @router.get("/v2/devices", summary="All boards")
    async def devices() -> Response:
        return _json(fleet.devices())

    @router.get("/v2/models", summary="The models of all boards, or of one")
    async def models(device: str = "") -> Response:
        boards = [fleet.find(device)] if device else fleet.boards
        return _json({board.name: fleet.status_of(board).models for board in boards})

    @router.post("/v2/models/{model}", summary="Begin a swap", status_code=202)
    async def swap(
        model: int,
        model_bin: Annotated[UploadFile, File()],
        model_meta: OptionalFile = None,
        device: DeviceName = "",
    ) -> Response:
        file, meta = await desk.read_model(model_bin, model_meta)
        return _begun(fleet.start_swap(device, file, meta, model))

    @router.post("/v2/models/{model}/rollback", summary="Begin to go back", status_code=202)
    async def roll_back(model: int, device: str = "") -> Response:
        return _begun(fleet.start_roll_back(device, model))

    @router.get("/v2/swaps/{swap}", summary="How far a swap is")
    async def progress(swap: str) -> Response:
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


class _Desk:
    """Takes inference requests from the upload to the answer."""

    def __init__(self, fleet: Fleet, limits: McuLimits) -> None:
        self._fleet = fleet
        self._limits = limits

    async def infer(self, request: Request, form: InferForm) -> _Answer:
        """Check everything, then swap if asked, then run the samples."""
        started = time.perf_counter()
        board = self._fleet.find(form.device)
        uploaded = await _read(form.input_npy, self._limits.input_bytes)
        array = await asyncio.to_thread(read_npy, uploaded)
        flash_ms = 0.0
        if form.model_bin is not None:
            file, meta = await self.read_model(form.model_bin, form.model_meta)
            dimensions = await asyncio.to_thread(_dimensions, file, meta)
            check_samples(array, *dimensions)
            flash_ms = await self._swap(board, file, meta, form.model)
        about = _model(board, form.model)
        samples = check_samples(array, about.steps, about.features)
        predictions = await self._run(request, board, samples, about)
        total = (time.perf_counter() - started) * 1e3
        each = (total - flash_ms) / len(samples) if len(samples) else 0.0
        timing = {"flash": flash_ms, "total": total, "mean_per_sample": each}
        return _Answer(predictions, _device(about), timing)

    async def read_model(
        self, model_bin: UploadFile, model_meta: UploadFile | None
    ) -> tuple[bytes, bytes | None]:
        """Return both files within their bounds."""
        file = await _read(model_bin, self._limits.model_bytes)
        meta = None
        if model_meta is not None:
            meta = await _read(model_meta, self._limits.meta_bytes)
        return file, meta

    async def _swap(self, board: Board, file: bytes, meta: bytes | None, model: int) -> float:
        """Swap and wait for its end; return its milliseconds."""
        swap = self._fleet.start_swap(board.name, file, meta, model)
        if not await asyncio.to_thread(swap.wait, self._limits.swap_s):
            raise UnreachableError(f"{board.name}: the swap has not ended", hint=f"see {swap.id}")
        if swap.error is not None:
            raise swap.error
        return swap.seconds * 1e3

    async def _run(
        self, request: Request, board: Board, samples: npt.NDArray[np.float32], about: BoardModel
    ) -> npt.NDArray[np.float32]:
        """Run all samples, and stop when the client leaves."""
        batch = Batch(
            board,
            samples,
            model=about.id,
            horizon=about.horizon,
            in_flight=self._limits.in_flight,
            sample_s=self._limits.sample_s,
        )
        running = asyncio.create_task(batch.run())
        leaving = asyncio.create_task(_left(request))
        try:
            await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise CancelledError("the client has left")
            return running.result()
        finally:
            running.cancel()
            leaving.cancel()
            await asyncio.gather(running, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    """Return when the client has left."""
    while not await request.is_disconnected():
        await asyncio.sleep(POLL_SECONDS * 4)


async def _read(upload: UploadFile, limit: int) -> bytes:
    """Return an uploaded file.

    Raises:
        FrameTooLargeError: it is larger than ``limit``.
    """
    content = await upload.read(limit + 1)
    if len(content) > limit:
        raise FrameTooLargeError(f"{upload.filename}: larger than {limit} bytes")
    return content


def _dimensions(file: bytes, meta: bytes | None) -> tuple[int, int]:
    """Return T and F of a model file, after checking it and its meta."""
    model = parse_model(file)
    if meta is not None:
        check_meta(meta, model)
    return model.steps, model.features


def _model(board: Board, number: int) -> BoardModel:
    """Return a model of a board that can answer.

    Raises:
        UnreachableError: the board is lost, or has no model.
        UnknownModelError: it has no such id.
    """
    if board.state in (BoardState.LOST, BoardState.CONNECTING):
        raise UnreachableError(f"{board.name} does not answer", hint=board.last_error)
    found = next((model for model in board.models if model.id == number), None)
    if found is None:
        raise UnknownModelError(f"{board.name} has no model {number}")
    if not found.steps:
        raise UnreachableError(
            f"{board.name} has no model under {number}", hint="send model_bin along, or POST one"
        )
    return found


def _device(about: BoardModel) -> dict[str, int]:
    return {
        "T": about.steps,
        "F": about.features,
        "H": about.horizon,
        "hidden": about.hidden,
    }


def _health(board: Board, more: dict[str, Any]) -> Response:
    status = board.status()
    try:
        about = _model(board, 0)
    except EdgeFlowError as error:
        response = problem(status_of(error), error.message, error.hint, error.code)
        content = json.loads(bytes(response.body)) | {"port": status.port, "state": status.state}
        return JSONResponse(content, response.status_code, media_type="application/problem+json")
    return JSONResponse({"ok": True, "device": _device(about), "port": status.port, **more})


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
        "steps": [asdict(step) for step in swap.steps()],
    }


async def _events(request: Request, swap: Swap) -> AsyncIterator[bytes]:
    """Yield each step as an event named after it, until the swap is over or the client leaves."""
    sent = 0
    while True:
        over = swap.over
        for step in swap.steps(sent):
            sent += 1
            data = json.dumps(asdict(step))
            yield f"id: {sent}\nevent: {step.step}\ndata: {data}\n\n".encode()
        if over or await request.is_disconnected():
            return
        await asyncio.sleep(POLL_SECONDS)
