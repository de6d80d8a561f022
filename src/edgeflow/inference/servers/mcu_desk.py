"""Inference requests to boards from the upload to the answer, off the event loop."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import File, Form, UploadFile
from starlette.requests import Request

from edgeflow.devices.boards.base import Board, BoardModel, BoardState
from edgeflow.devices.fleet import Fleet
from edgeflow.devices.swapping import check_files
from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    FrameTooLargeError,
    OverloadedError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.servers.mcu_batch import Batch
from edgeflow.inference.servers.mcu_inputs import check_samples, read_npy

__all__ = ["Answer", "DeviceName", "InferForm", "McuDesk", "McuLimits", "OptionalFile", "model_of"]

DeviceName = Annotated[str, Form(description="which board; the first one if not given")]
OptionalFile = Annotated[UploadFile | None, File()]

POLL_SECONDS = 0.05
"""How often a handler looks whether what it waits for has come."""


@dataclass(frozen=True, slots=True)
class McuLimits:
    """Bounds of requests.

    Attributes:
        input_bytes: of ``input_npy``; ``held_bytes``: of all that are worked on at once.
        model_bytes: of ``model_bin``; ``meta_bytes``: of ``model_meta``.
        sample_s: for one sample, from its turn to its answer.
        swap_s: for a swap.
        in_flight: samples of one request that wait on the board's queue at once.
    """

    input_bytes: int = 64 << 20
    held_bytes: int = 512 << 20
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
class Answer:
    """What a request led to: float32 (N, H), of which model, and milliseconds."""

    predictions: npt.NDArray[np.float32]
    model: BoardModel
    timing_ms: dict[str, float]


class McuDesk:
    """Takes inference requests from the upload to the answer."""

    def __init__(self, fleet: Fleet, limits: McuLimits) -> None:
        self._fleet = fleet
        self._limits = limits
        self._held = 0

    async def infer(self, request: Request, form: InferForm) -> Answer:
        """Check everything, then swap if asked, then run the samples.

        Raises:
            OverloadedError: the inputs that are worked on already take the memory there is.
            Others as the board, the files and the input have them.
        """
        board = self._fleet.find(form.device)
        with self._room(form.input_npy.size or 0):
            return await self._infer(request, form, board)

    async def _infer(self, request: Request, form: InferForm, board: Board) -> Answer:
        started = time.perf_counter()
        uploaded = await _read(form.input_npy, self._limits.input_bytes)
        array = await asyncio.to_thread(read_npy, uploaded)
        flash_ms = 0.0
        if form.model_bin is not None:
            file, meta = await self.read_model(form.model_bin, form.model_meta)
            new = await asyncio.to_thread(check_files, file, meta)
            await asyncio.to_thread(check_samples, array, new.steps, new.features)
            flash_ms = await self._swap(request, board, file, meta, form.model)
        about = model_of(board, form.model)
        samples = await asyncio.to_thread(check_samples, array, about.steps, about.features)
        predictions = await self._run(request, board, samples, about)
        total = (time.perf_counter() - started) * 1e3
        each = (total - flash_ms) / len(samples) if len(samples) else 0.0
        timing = {"flash": flash_ms, "total": total, "mean_per_sample": each}
        return Answer(predictions, about, timing)

    @contextmanager
    def _room(self, size: int) -> Iterator[None]:
        if size > self._limits.input_bytes:
            raise FrameTooLargeError(f"input_npy: larger than {self._limits.input_bytes} bytes")
        if self._held + size > self._limits.held_bytes:
            raise OverloadedError(f"{self._held} bytes of inputs are being worked on already")
        self._held += size
        try:
            yield
        finally:
            self._held -= size

    async def read_model(
        self, model_bin: UploadFile, model_meta: UploadFile | None
    ) -> tuple[bytes, bytes | None]:
        """Return both files within their bounds."""
        file = await _read(model_bin, self._limits.model_bytes)
        meta = None
        if model_meta is not None:
            meta = await _read(model_meta, self._limits.meta_bytes)
        return file, meta

    async def _swap(
        self, request: Request, board: Board, file: bytes, meta: bytes | None, model: int
    ) -> float:
        """Swap and wait for its end; return its milliseconds. It goes on when the client leaves."""
        swap = self._fleet.start_swap(board.name, file, meta, model)
        patience = time.monotonic() + self._limits.swap_s
        while not swap.over:
            if time.monotonic() > patience:
                raise DeadlineError(f"{board.name}: the swap has not ended", hint=f"see {swap.id}")
            if await request.is_disconnected():
                raise CancelledError("the client has left")
            await asyncio.sleep(POLL_SECONDS)
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


def model_of(board: Board, number: int) -> BoardModel:
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
