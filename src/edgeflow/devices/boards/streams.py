"""A stream: only the newest time step travels, the board keeps those before."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from struct import Struct
from typing import Any, Literal, TypeAlias

import numpy as np

from edgeflow.devices.boards.base import BoardModel, Floats, Forecast
from edgeflow.devices.boards.calls import RefusedError, check_reply, timing_of
from edgeflow.devices.boards.wire import BoardWire
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import (
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
    TensorError,
)
from edgeflow.protocols.uart import Message, Status, Type, decode_dimensions, quantise

__all__ = ["BoardStream", "StreamMode"]

StreamMode = Literal["window", "stateful"]

MAX_REPLAYS = 8
"""Times in a row that a stream is opened anew without an answer in between."""

MAX_UNDER_WAY = 256
"""Steps that are unanswered at once."""

_STEP_REPLY = Struct("<HHI")


class _Step:
    """One time step on its way."""

    __slots__ = ("called", "deadline", "future", "payload")

    def __init__(self, payload: bytes, called: float, deadline: float) -> None:
        self.payload, self.called, self.deadline = payload, called, deadline
        self.future: Future[Forecast | None] = Future()


_Outcome: TypeAlias = tuple[_Step, Forecast | None, EdgeFlowError | None]


class BoardStream:
    """Time steps in, forecasts out. Safe to call from several threads.

    A step that is lost on the line makes the board's window wrong, so in mode ``window`` the
    stream is then opened anew and given the last T steps again; nobody sees it but by the time
    it takes. In mode ``stateful`` that is not possible: the steps under way fail, and the next
    one starts with an empty state.

    Args:
        wire: of the board.
        model: which.
        mode, dtype, scales: see ``SerialBoard.open_stream``.
        timeout: seconds for each step.
    """

    def __init__(
        self,
        wire: BoardWire,
        model: BoardModel,
        *,
        mode: StreamMode = "window",
        dtype: str = "float32",
        scales: Floats | None = None,
        timeout: float = 10.0,
    ) -> None:
        if (dtype == "int8") != (scales is not None):
            raise TensorError(f"{wire.name}: int8 streams, and only they, need scales")
        if scales is not None and (scales.shape != (model.features,) or not (scales > 0).all()):
            raise TensorError(f"{wire.name}: scales must be {model.features} positive numbers")
        self._wire, self._model, self._timeout = wire, model, timeout
        self._scales, self._window = scales, mode == "window"
        head = bytes((0 if self._window else 1, 0 if scales is None else 1, 0, 0))
        self._head = head + (b"" if scales is None else scales.astype("<f4").tobytes())
        self._lock = threading.RLock()
        self._epoch = 0
        self._state = "closed"
        self._replays = 0
        self._under_way: deque[_Step] = deque()
        self._before: deque[bytes] = deque(maxlen=max(1, model.steps - 1))

    def step(self, values: Floats) -> Forecast | None:
        """Give the next time step, float32 (F), and wait; None until T steps were seen."""
        return self.submit(values).result(self._timeout + 1.0)

    def submit(self, values: Floats) -> "Future[Forecast | None]":
        """Queue the next time step, float32 (F).

        Raises:
            TensorError: it does not fit, or is not finite.
            OverloadedError, UnreachableError: as ``Board.submit``.
        """
        payload = self._payload(values)
        now = self._wire.clock()
        step = _Step(payload, now, now + self._timeout)
        with self._lock:
            if len(self._under_way) >= MAX_UNDER_WAY:
                raise OverloadedError(f"{self._wire.name}: {MAX_UNDER_WAY} steps wait already")
            self._under_way.append(step)
            try:
                if self._state == "closed":
                    self._open()
                elif self._state == "open":
                    self._send_step(step)
            except EdgeFlowError:
                # It was not sent, so those before it are not concerned.
                self._under_way.pop()
                raise
        return step.future

    def close(self) -> None:
        """Tell the board that the stream is over; steps under way fail. Idempotent."""
        outcomes: list[_Outcome] = []
        with self._lock:
            if self._state == "closed":
                return
            self._fail_all(EngineError(f"{self._wire.name}: the stream was closed"), outcomes)
        _tell(outcomes)
        try:
            self._send(Type.STREAM_CLOSE, b"", lambda *_: None, self._timeout)
        except EdgeFlowError:
            return

    def _payload(self, values: Floats) -> bytes:
        if values.dtype != np.float32 or values.shape != (self._model.features,):
            raise TensorError(
                f"{self._wire.name}: got {values.dtype}{list(values.shape)}",
                hint=f"a step is float32[{self._model.features}]",
            )
        if not np.isfinite(values).all():
            raise TensorError(f"{self._wire.name}: the step has values that are not finite")
        if self._scales is None:
            return values.astype("<f4").tobytes()
        return quantise(values, self._scales).tobytes()

    def _open(self) -> None:
        """Open it anew; the steps follow when the board has said yes."""
        self._epoch += 1
        epoch = self._epoch
        future = self._send(Type.STREAM_OPEN, self._head, self._opened, self._timeout)
        self._state = "opening"
        future.add_done_callback(lambda done: self._settle_open(done, epoch))

    def _opened(self, reply: Message, _: Request) -> None:
        told = decode_dimensions(check_reply(self._wire.name, reply))
        if (told.steps, told.features) != (self._model.steps, self._model.features):
            raise TensorError(
                f"{self._wire.name}: the model takes [{told.steps}, {told.features}] now",
                hint="open another stream",
            )

    def _settle_open(self, done: "Future[Any]", epoch: int) -> None:
        error = _error_of(done)
        outcomes: list[_Outcome] = []
        with self._lock:
            if epoch != self._epoch:
                return
            if error is not None:
                self._recover(error, outcomes)
            else:
                self._state = "open"
                try:
                    for payload in self._before if self._window else ():
                        self._send_step(_Step(payload, 0.0, self._wire.clock() + self._timeout))
                    for step in self._under_way:
                        self._send_step(step)
                except EdgeFlowError as failure:
                    self._fail_all(failure, outcomes)
        _tell(outcomes)

    def _send_step(self, step: _Step) -> None:
        left = step.deadline - self._wire.clock()
        epoch = self._epoch
        future = self._send(
            Type.STREAM_STEP,
            step.payload,
            lambda reply, request: self._forecast(reply, request, step),
            max(0.0, left),
        )
        future.add_done_callback(lambda done: self._settle_step(done, epoch, step))

    def _forecast(self, reply: Message, request: Request, step: _Step) -> Forecast | None:
        payload = check_reply(self._wire.name, reply)
        if len(payload) not in (8, 8 + 4 * self._model.horizon):
            raise EngineError(f"{self._wire.name}: an answer of {len(payload)} bytes")
        _, _, compute_us = _STEP_REPLY.unpack_from(payload)
        if len(payload) == 8:
            return None
        request.submitted = step.called
        values: Floats = np.frombuffer(payload, "<f4", offset=8)
        return Forecast(values, timing_of(request, 0.0, compute_us / 1e3))

    def _settle_step(self, done: "Future[Any]", epoch: int, step: _Step) -> None:
        error = _error_of(done)
        outcomes: list[_Outcome] = []
        with self._lock:
            if epoch != self._epoch:
                return
            mine = bool(self._under_way) and self._under_way[0] is step
            if error is None or _is_of_the_step(error):
                if mine:
                    self._replays = 0
                    self._finish(error, None if error else done.result(), outcomes)
            else:
                self._recover(error, outcomes)
        _tell(outcomes)

    def _finish(
        self, error: EdgeFlowError | None, result: Forecast | None, outcomes: list[_Outcome]
    ) -> None:
        step = self._under_way.popleft()
        self._before.append(step.payload)
        outcomes.append((step, result, error))

    def _recover(self, error: EdgeFlowError, outcomes: list[_Outcome]) -> None:
        """The board's window is not what it should be: open it anew, or give up."""
        self._epoch += 1
        self._state = "closed"
        self._replays += 1
        now = self._wire.clock()
        while self._under_way and self._under_way[0].deadline <= now:
            self._finish(error, None, outcomes)
        again = isinstance(error, DeadlineError) or _is_ended(error)
        if not (self._window and again and self._replays <= MAX_REPLAYS):
            self._fail_all(error, outcomes)
        elif self._under_way:
            try:
                self._open()
            except EdgeFlowError as failure:
                self._fail_all(failure, outcomes)

    def _fail_all(self, error: EdgeFlowError, outcomes: list[_Outcome]) -> None:
        self._state, self._replays = "closed", 0
        self._epoch += 1
        while self._under_way:
            self._finish(error, None, outcomes)

    def _send(
        self, kind: int, payload: bytes, answer: Callable[[Message, Request], Any], left: float
    ) -> "Future[Any]":
        return self._wire.ask(
            kind, payload, answer, model=self._model.id, timeout=left, repeat=False
        )


def _error_of(done: "Future[Any]") -> EdgeFlowError | None:
    error = done.exception()
    if error is None or isinstance(error, EdgeFlowError):
        return error
    return EngineError(f"{type(error).__name__}: {error}")


def _is_ended(error: EdgeFlowError) -> bool:
    return isinstance(error, RefusedError) and error.status == Status.NOT_NOW


def _is_of_the_step(error: EdgeFlowError) -> bool:
    """True where the board took the step, and only its answer is none."""
    return isinstance(error, RefusedError) and error.status == Status.NOT_FINITE


def _tell(outcomes: list[_Outcome]) -> None:
    for step, result, error in outcomes:
        try:
            if error is not None:
                step.future.set_exception(error)
            else:
                step.future.set_result(result)
        except InvalidStateError:
            continue
