"""Ways to get forecasts from one board, each for a window of time."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Reading
from benchmarks.mcu.boards import FEATURES, HORIZON, STEPS, sample
from benchmarks.mcu.reference_client import ask
from edgeflow.devices.boards.serial import SerialBoard, Values
from edgeflow.devices.boards.streams import StreamMode

__all__ = ["WAYS", "Costs", "Way"]

WARM_SECONDS = 0.4
OUTSTANDING = 32
"""Requests that a caller keeps unanswered; the board's window is 16."""

BITS = 10
FRAME = 20
INFER_HEAD, INFER_REPLY = 4, 8

Submit = Callable[[], "Future[object]"]


@dataclass(frozen=True)
class Costs:
    """Bytes of one request on the line, and milliseconds of the board's work."""

    up: int
    down: int
    compute: float

    def alone(self, baud: int) -> float:
        """Return the milliseconds that one request needs at least."""
        return (self.up + self.down) * BITS * 1e3 / baud + self.compute

    def together(self, baud: int) -> float:
        """Return the milliseconds per request when the next one travels meanwhile."""
        return max(max(self.up, self.down) * BITS * 1e3 / baud, self.compute)


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        up, down: bytes of a request and of its answer.
        pipelined: the next request is sent before the answer is there.
        values: how samples travel.
        stream: mode of the stream, none for whole samples.
        reference: the board has the reference firmware.
    """

    label: str
    up: int
    down: int
    pipelined: bool = False
    values: Values = "float32"
    stream: StreamMode | None = None
    reference: bool = False
    ours: bool = True

    def measure(self, port: str, baud: int, seconds: float) -> tuple[Reading, Costs]:
        """Ask for ``seconds``."""
        if not self.ours:
            return _measure_peer(port, baud, seconds), Costs(self.up, self.down, 0.0)
        with SerialBoard(port, baud=baud, faster=(), values=self.values) as board:
            if not board.wait(10.0):
                raise RuntimeError(board.last_error)
            with self._submitter(board) as submit:
                reading, compute = _run(submit, OUTSTANDING if self.pipelined else 1, seconds)
        return reading, Costs(self.up, self.down, compute)

    @contextlib.contextmanager
    def _submitter(self, board: SerialBoard) -> Iterator[Submit]:
        given = sample()
        if self.stream is None:
            yield lambda: board.submit(given)
            return
        stream = board.open_stream(self.stream)
        for row in given:
            stream.step(row)
        yield lambda: stream.submit(given[0])
        stream.close()


def _ways() -> list[Way]:
    floats = 4 * STEPS * FEATURES
    up, down = FRAME + INFER_HEAD + floats, FRAME + INFER_REPLY + 4 * HORIZON
    small = FRAME + INFER_HEAD + 4 * FEATURES + STEPS * FEATURES
    step = FRAME + 4 * FEATURES
    plain = (8 + floats, 8 + 4 * HORIZON)
    asked = (4 + plain[0], 12 + plain[1])
    return [
        Way("edgeflow, one by one", up, down),
        Way("edgeflow, pipelined", up, down, pipelined=True),
        Way("edgeflow, pipelined int8", small, down, pipelined=True, values="int8"),
        Way("edgeflow, stream of windows", step, down, pipelined=True, stream="window"),
        Way("edgeflow, stateful stream", step, down, pipelined=True, stream="stateful"),
        Way("edgeflow, reference firmware", *plain, reference=True),
        Way("reference way, edgeflow firmware", *asked, ours=False),
        Way("reference way and firmware", *asked, reference=True, ours=False),
    ]


WAYS = _ways()


def _run(submit: Submit, outstanding: int, seconds: float) -> tuple[Reading, float]:
    """Keep ``outstanding`` requests unanswered; return the reading and milliseconds of compute."""
    waiting: deque[Future[object]] = deque(submit() for _ in range(outstanding))
    begin = time.perf_counter() + WARM_SECONDS
    totals: list[float] = []
    computes: list[float] = []
    started = ended = busy = 0.0
    while not ended:
        answer = waiting.popleft().result(30.0)
        now = time.perf_counter()
        if started:
            totals.append(answer.timing.total)
            computes.append(answer.timing.compute)
            ended = now if now - started >= seconds else 0.0
        elif now >= begin:
            started, busy = now, time.process_time()
        if not ended:
            waiting.append(submit())
    busy = time.process_time() - busy
    for each in waiting:
        each.result(30.0)
    return _reading(totals, ended - started, busy), float(np.median(computes))


def _measure_peer(port: str, baud: int, seconds: float) -> Reading:
    given = sample()
    ask(port, baud, given)
    started, busy = time.perf_counter(), time.process_time()
    totals = []
    while (before := time.perf_counter()) - started < seconds:
        ask(port, baud, given)
        totals.append(1e3 * (time.perf_counter() - before))
    return _reading(totals, time.perf_counter() - started, time.process_time() - busy)


def _reading(totals: list[float], span: float, busy: float) -> Reading:
    percent = 100 * busy / span
    return Reading(
        latencies_ms=np.array(totals),
        fps=len(totals) / span,
        cpu_percent=percent,
        sender_percent=percent,
        cpu_ms_per_frame=1e3 * busy / max(1, len(totals)),
    )
