"""Microcontroller boards as an engine: ``serial:///dev/ttyACM0``, several of them as a pool."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow.devices.boards.base import Board, BoardModel, BoardState, Forecast
from edgeflow.devices.boards.opening import OPTIONS, open_boards
from edgeflow.devices.boards.pool import BoardPool
from edgeflow.devices.boards.serial import SerialBoard
from edgeflow.devices.serial.finding import PortSpec
from edgeflow.errors import (
    ConfigError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.protocols.uart import MAX_INPUTS

__all__ = ["BoardEngine"]

WAIT_SECONDS = 8.0
MAX_APPEAR_SECONDS, LOOK_SECONDS = 60.0, 0.05
ANSWERS = (BoardState.READY, BoardState.NO_MODEL)
MAX_PARALLEL = 32
MAX_ROWS = 4096


class BoardEngine(Engine):
    """The model on a board, or on several that share the load.

    It takes ``input``, float32[N, T, F], and gives ``forecast``, float32[N, H]; with ``batch``
    off float32[T, F] and float32[H]. T, F and H are the board's, and follow a swap.

    Args:
        model: ``serial:///dev/ttyACM0``, ``serial+glob:///dev/ttyACM*``, ``serial+usb://NUMBER``,
            ``rfc2217://host:port``, ``socket://host:port``; options behind a question mark as in
            ``open_boards``, and ``model=1`` for a model id.
        boards: more of them.
        batch: False for a model that takes one sample without an axis for the batch.
        timeout_s: longest wait for an answer.
        appear_s: how long a board that is not there may take to appear.
        device: ``auto``; it runs on the board.
        threads: not used.

    Raises:
        ConfigError: the URL or an option is wrong.
        UnreachableError: no board answers.
        UnknownModelError: there is no model on it.
        MissingExtraError: pyserial is not installed.
    """

    kind = "board"
    platform = "board"

    def __init__(
        self,
        model: Path | str,
        *,
        boards: Sequence[str] = (),
        batch: bool = True,
        timeout_s: float = 10.0,
        appear_s: float = 0.0,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self.name = str(model)
        if device != "auto":
            raise ConfigError(f"{self.name}: it runs on the board, not on {device!r}")
        first, self._id = _split(self.name)
        self._batch, self._timeout, self._closed = batch, timeout_s, False
        self._capacity = 64
        opened = open_boards([first, *boards], wait=WAIT_SECONDS)
        self._board: Board = opened[0]
        if len(opened) > 1:
            self._board = BoardPool(opened, name=self.name)
        try:
            self._await(time.monotonic() + min(appear_s, MAX_APPEAR_SECONDS))
            self._read_spec()
        except BaseException:
            self._board.close()
            raise
        for each in opened:
            each.watch(self._changed)
        windows = sum(each.info.window for each in opened if each.models)
        self.parallel = min(MAX_PARALLEL, max(2, 2 * windows))
        self.device = ", ".join(each.info.port for each in opened if each.models)

    @property
    def board(self) -> Board:
        """The board, or the pool of them."""
        return self._board

    def close(self) -> None:
        """Close the ports; calls that are running fail. Idempotent."""
        self._closed = True
        self._board.close()

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        if self._closed:
            raise EngineError(f"{self.name}: the engine is closed")
        given = inputs["input"]
        samples = given if self._batch else given[np.newaxis]
        if len(samples) > MAX_ROWS:
            raise EngineError(f"{self.name}: {len(samples)} samples in one call are too many")
        try:
            answers = self._infer(samples)
        except EngineError:
            raise
        except (EdgeFlowError, TimeoutError) as error:
            raise EngineError(f"{self.name}: {error}") from error
        if not answers:
            horizon = self.spec.outputs[0].shape[-1] or 0
            return {"forecast": np.empty((0, horizon), np.float32)}
        if len({len(each) for each in answers}) > 1:
            raise EngineError(f"{self.name}: the board got another model in between")
        forecast = np.stack(answers)
        return {"forecast": forecast if self._batch else forecast[0]}

    def _infer(self, samples: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Ask for all samples, some at once."""
        under_way: deque[Future[Forecast]] = deque()
        answers: list[npt.NDArray[np.float32]] = []
        try:
            for sample in samples:
                if len(under_way) >= self._capacity:
                    answers.append(self._result(under_way.popleft()))
                under_way.append(self._submit(sample, under_way, answers))
            while under_way:
                answers.append(self._result(under_way.popleft()))
        except BaseException:
            for future in under_way:
                future.cancel()
            raise
        return answers

    def _submit(
        self,
        sample: npt.NDArray[np.float32],
        under_way: "deque[Future[Forecast]]",
        answers: list[npt.NDArray[np.float32]],
    ) -> "Future[Forecast]":
        """Queue a sample; while the board's queue is full, wait for the answers of this call."""
        while True:
            try:
                return self._board.submit(sample, model=self._id, timeout=self._timeout)
            except OverloadedError:
                if not under_way:
                    raise
                answers.append(self._result(under_way.popleft()))

    def _result(self, future: "Future[Forecast]") -> npt.NDArray[np.float32]:
        return future.result(self._timeout + 1.0).values

    def _changed(self, board: SerialBoard) -> None:
        """Follow another model on the board; what it takes is checked by the board itself."""
        models = board.models
        if self._id < len(models) and models[self._id].steps:
            spec = self._spec_of(models[self._id])
            if spec != self.spec:
                self.spec = spec

    def _await(self, deadline: float) -> None:
        """Wait until the board answers; it is looked for all the time."""
        while self._board.state not in ANSWERS and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)

    def _read_spec(self) -> None:
        if self._board.state not in ANSWERS:
            raise UnreachableError(f"{self.name}: {self._board.last_error}")
        models = self._board.models
        if self._id >= len(models):
            raise UnknownModelError(f"{self.name}: no model id {self._id}; it has {len(models)}")
        if not models[self._id].steps:
            raise UnknownModelError(
                f"{self.name}: there is no model on the board",
                hint="edgeflow flash model puts one on it",
            )
        self.spec = self._spec_of(models[self._id])
        if models[self._id].steps * models[self._id].features > MAX_INPUTS:
            raise EngineError(f"{self.name}: a sample of the model is too large to be sent")

    def _spec_of(self, model: BoardModel) -> EngineSpec:
        rows = (None,) if self._batch else ()
        kind = np.dtype(np.float32)
        return EngineSpec(
            (TensorSpec("input", kind, (*rows, model.steps, model.features)),),
            (TensorSpec("forecast", kind, (*rows, model.horizon)),),
        )


def _split(text: str) -> tuple[str, int]:
    """Return what names the boards, and the model id among the options."""
    spec = PortSpec.parse(text)
    options = dict(spec.options)
    try:
        number = int(options.pop("model", "0"))
    except ValueError:
        raise ConfigError(f"{text}: model is no number", hint="a model id, such as 0") from None
    if not 0 <= number < 256:
        raise ConfigError(f"{text}: model is {number}", hint="a model id, such as 0")
    unknown = [each for each in options if each not in OPTIONS]
    if unknown:
        raise ConfigError(
            f"{text}: no option {unknown[0]!r}", hint=f"known: model, {', '.join(OPTIONS)}"
        )
    head, mark, query = text.rpartition("?")
    if not mark or "=" not in query:
        return text, number
    kept = "&".join(each for each in query.split("&") if not each.startswith("model="))
    return f"{head}?{kept}" if kept else head, number
