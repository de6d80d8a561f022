"""A board on a serial port, whichever of the two protocols it speaks."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Literal

from edgeflow.core.status import DeviceStatus
from edgeflow.devices.boards.base import (
    Board,
    BoardInfo,
    BoardModel,
    BoardState,
    Floats,
    Forecast,
    OnProgress,
    Protocol,
)
from edgeflow.devices.boards.calls import (
    check_sample,
    forecast_of,
    infer_payload,
    info_of,
    model_of,
    models_of,
    reference_model,
)
from edgeflow.devices.boards.figures import BoardStatistics, model_status
from edgeflow.devices.boards.streams import BoardStream, StreamMode
from edgeflow.devices.boards.upload import Upload
from edgeflow.devices.boards.wire import BoardWire
from edgeflow.devices.serial.console import Console
from edgeflow.devices.serial.finding import Locator, PortSpec, check_installed
from edgeflow.devices.serial.greeting import Found
from edgeflow.devices.serial.link import SerialLink
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import (
    ConfigError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.protocols.uart import (
    BASE_BAUD,
    MAX_INPUTS,
    MAX_PAYLOAD,
    Info,
    Message,
    Type,
    decode_model,
    decode_statistics,
)

__all__ = ["FASTER", "SerialBoard", "Values"]

FASTER = (921600, 460800)
"""Rates that are tried on boards that can switch, best first."""

Values = Literal["float32", "int8"]

_NO_SLOTS = (
    "it has the reference firmware: edgeflow flash model writes the partition 'model' instead"
)


class SerialBoard(Board):
    """A board behind a port. One thread owns the port and keeps it open.

    Args:
        port: see ``PortSpec.parse``; it has to mean one port.
        name: how people call it; the port if not given.
        baud: rate at which the board starts.
        faster: rates to switch to if the board can, best first.
        values: how samples travel: ``int8`` takes a quarter of the bytes, and rounds.
        capacity: requests that may be unanswered.
        verify: ask a board of the reference protocol for each sample until two answers in a row
            are the same; its protocol has no checksum.
        path: which of several ports that ``port`` means.

    Attributes:
        console: what the board writes beside its answers.
        last_hint: what to do about ``last_error`` while it is lost.
        wire: plain requests of the extended protocol.

    Raises:
        ConfigError: the text names no port.
        MissingExtraError: pyserial is not installed.
    """

    def __init__(
        self,
        port: str | PortSpec,
        *,
        name: str = "",
        baud: int = BASE_BAUD,
        faster: Sequence[int] = FASTER,
        values: Values = "float32",
        capacity: int = 256,
        verify: bool = False,
        path: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        spec = PortSpec.parse(port) if isinstance(port, str) else port
        if spec.kind != "url":
            check_installed()
        locator = Locator(spec, path)
        self.name = name or locator.name
        self._port, self._now, self._capacity = locator.name, now, capacity
        self._int8 = values == "int8"
        self._lock = threading.Lock()
        self._state = BoardState.CONNECTING
        self._last_error = self.last_hint = ""
        self._info: BoardInfo | None = None
        self._models: tuple[BoardModel, ...] = ()
        self._swapping = threading.Lock()
        self._figures = BoardStatistics(now)
        self._watchers: list[Callable[[SerialBoard], None]] = []
        self._locate = locator.locate
        self._link = SerialLink(
            self._locate,
            self,
            name=self.name,
            baud=baud,
            faster=faster,
            capacity=capacity,
            verify=verify,
            now=now,
        )
        self.console: Console = self._link.console
        self.wire = BoardWire(self.name, self._link, now, self._figures.seen)
        self._link.start()

    @property
    def state(self) -> BoardState:
        """Where it stands now."""
        with self._lock:
            state = self._state
        if self.lent:
            return BoardState.SWAPPING
        if state in (BoardState.READY, BoardState.NO_MODEL) and self._swapping.locked():
            return BoardState.SWAPPING
        return state

    @property
    def last_error(self) -> str:
        """Why it is lost, or what failed last."""
        return self._last_error

    @property
    def info(self) -> BoardInfo:
        """What it said when it was found."""
        if self._info is None:
            why = self._last_error or f"{self.name}: the board has not been found yet"
            raise UnreachableError(why, hint=self.last_hint)
        return self._info

    @property
    def models(self) -> tuple[BoardModel, ...]:
        """The models as last asked."""
        return self._models

    def wait(self, timeout: float = 10.0) -> bool:
        """Wait until it was found or is known to be lost; True when it answers."""
        self._link.wait_until_known(timeout)
        return self.state not in (BoardState.CONNECTING, BoardState.LOST)

    def watch(self, changed: Callable[["SerialBoard"], None]) -> None:
        """Have a function called, from any thread, when the models may be others."""
        self._watchers.append(changed)

    def submit(self, sample: Floats, *, model: int = 0, timeout: float = 10.0) -> Future[Forecast]:
        """Queue one sample, float32 (T, F). Callbacks of the future run in the link's thread."""
        asked = self._model(model)
        check_sample(self.name, sample, asked)

        def answer(reply: Message, request: Request) -> Forecast:
            # A swap in between may have changed how many values there are.
            horizons = {asked.horizon, self._model(model).horizon}
            forecast = forecast_of(self.name, reply, request, horizons)
            self._figures.answered(sample, forecast)
            return forecast

        payload = infer_payload(sample, int8=self._int8 and self._is_extended())
        future = self.wire.ask(Type.INFER, payload, answer, model=model, timeout=timeout)
        future.add_done_callback(self._count)
        return future

    def refresh(self, timeout: float = 5.0) -> tuple[BoardModel, ...]:
        """Ask for the models anew."""
        ids = range(min(self.info.model_ids, len(self._models)))
        asked = [self.wire.start(Type.MODEL_INFO, model=each, timeout=timeout) for each in ids]
        return tuple(
            self._remember(each, self.wire.wait(answer, timeout))
            for each, answer in zip(ids, asked, strict=True)
        )

    def refresh_one(self, number: int, timeout: float = 5.0) -> BoardModel:
        """Ask for one model anew."""
        return self._remember(
            number, self.wire.call(Type.MODEL_INFO, model=number, timeout=timeout)
        )

    def statistics(self, timeout: float = 5.0) -> dict[str, int]:
        """Return the board's own counters; empty if it has none."""
        if self.info.protocol is Protocol.REFERENCE:
            return {}
        return decode_statistics(self.wire.call(Type.STATISTICS, timeout=timeout))

    def open_stream(
        self,
        mode: StreamMode = "window",
        *,
        dtype: Values = "float32",
        scales: Floats | None = None,
        model: int = 0,
        timeout: float = 10.0,
    ) -> BoardStream:
        """Open a stream, which is given one time step after the other.

        Args:
            mode: ``window`` answers like ``infer`` on the last T steps; ``stateful`` keeps the
                state of the LSTM from step to step.
            dtype: how steps travel.
            scales: with ``int8``, float32 (F): what a 1 stands for.
            model: model id; a board keeps one stream of each.
            timeout: seconds for each step.

        Raises:
            EngineError: the board has no streams.
        """
        if "streams" not in self.info.capabilities:
            raise EngineError(f"{self.name}: the board has no streams", hint="use infer")
        return BoardStream(
            self.wire, self._model(model), mode=mode, dtype=dtype, scales=scales, timeout=timeout
        )

    def swap(
        self,
        file: bytes,
        *,
        model: int = 0,
        on_progress: OnProgress | None = None,
        timeout: float = 60.0,
    ) -> BoardModel:
        """Put a model file on the board over the wire; the old one serves meanwhile."""
        if "slots" not in self.info.capabilities:
            raise ConfigError(
                f"{self.name}: the board takes no model while serving", hint=_NO_SLOTS
            )
        with self._one_swap():
            upload = Upload(self, file, model, on_progress or _nobody, self._now() + timeout)
            return upload.run()

    def roll_back(self, *, model: int = 0, timeout: float = 10.0) -> BoardModel:
        """Go back to the model before."""
        if "slots" not in self.info.capabilities:
            raise EngineError(f"{self.name}: the board keeps no model before", hint=_NO_SLOTS)
        with self._one_swap():
            self.wire.call(Type.ROLL_BACK, model=model, timeout=timeout, repeat=False)
            return self.refresh_one(model, timeout)

    @contextmanager
    def release(self) -> Iterator[str]:
        """Lend the port, by path, to another program; find the board again afterwards.

        Raises:
            OverloadedError: a swap runs, or the port is lent already.
            UnreachableError: it is not plugged in, or the link does not let go of it.
        """
        with self._one_swap():
            self.lent = True
            try:
                self._link.lend()
                yield self._locate()
            finally:
                self.lent = False
                self._link.take_back()

    def restart(self, timeout: float = 5.0) -> None:
        """Let the board start anew.

        Raises:
            EngineError: it cannot.
        """
        self.wire.call(Type.RESTART, timeout=timeout, repeat=False)

    def status(self) -> DeviceStatus:
        """Return where it stands."""
        info = self._info
        status = DeviceStatus(
            name=self.name,
            state=str(self.state),
            port=self._port,
            last_error=self._last_error,
            queue_depth=self._link.depth,
            queue_capacity=self._capacity,
            models=[model_status(each) for each in self._models],
        )
        if info is not None:
            status.protocol, status.baud = str(info.protocol), info.baud
            status.chip, status.firmware = info.chip, info.firmware
            status.unique_id = info.unique_id
        return self._figures.fill(status)

    def queue_depth(self) -> int:
        """Requests that wait or are under way."""
        return self._link.depth

    def close(self) -> None:
        """Fail what is under way, close the port, join the thread."""
        self._link.close()

    def found(self, found: Found) -> None:
        """Be told by the link that the board answers."""
        models = models_of(found)
        with self._lock:
            self._info = info_of(self._port, found)
            self.wire.max_payload = _largest_payload(found)
            self._models = models
            self._state = _state_of(models)
        self._figures.seen()
        self._tell_watchers()

    def lost(self, error: EdgeFlowError) -> None:
        """Be told by the link that it does not."""
        with self._lock:
            self._state = BoardState.LOST
            if not self.lent:
                self._last_error, self.last_hint = error.message, error.hint

    def _remember(self, number: int, payload: bytes) -> BoardModel:
        if self.info.protocol is Protocol.REFERENCE:
            fresh = reference_model(Info(*(int(each) for each in memoryview(payload).cast("H"))))
        else:
            fresh = model_of(number, decode_model(payload))
        with self._lock:
            models = list(self._models)
            if not 0 <= number < len(models):
                raise UnknownModelError(f"{self.name}: no model id {number}; it has {len(models)}")
            models[number] = fresh
            self._models = tuple(models)
            if self._state in (BoardState.READY, BoardState.NO_MODEL):
                self._state = _state_of(self._models)
        self._tell_watchers()
        return fresh

    def _tell_watchers(self) -> None:
        for changed in self._watchers:
            changed(self)

    def _model(self, number: int) -> BoardModel:
        models = self._models
        if not models:
            raise UnreachableError(self._last_error or f"{self.name}: not found yet")
        if not 0 <= number < len(models):
            raise EngineError(f"{self.name}: no model id {number}; it has {len(models)}")
        return models[number]

    def _is_extended(self) -> bool:
        return self._info is not None and self._info.protocol is Protocol.EXTENDED

    @contextmanager
    def _one_swap(self) -> Iterator[None]:
        if not self._swapping.acquire(blocking=False):
            raise OverloadedError(f"{self.name}: a swap runs on the board already")
        try:
            yield
        finally:
            self._swapping.release()

    def _count(self, future: Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._figures.failed()
            self._last_error = str(error)


def _state_of(models: tuple[BoardModel, ...]) -> BoardState:
    return BoardState.READY if any(each.steps for each in models) else BoardState.NO_MODEL


def _largest_payload(found: Found) -> int:
    """Return the bytes of the largest payload; the reference protocol has no messages to fill."""
    return MAX_INPUTS * 4 + 4 if found.hello is None else min(found.hello.max_payload, MAX_PAYLOAD)


def _nobody(_: object) -> None:
    """Take progress that nobody asked for."""
