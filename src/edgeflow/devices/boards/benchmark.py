"""How fast a board answers, and how far that is from what its line allows."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec
import numpy as np

from edgeflow.devices.boards.base import Board, Forecast, Protocol, Timing
from edgeflow.errors import ConfigError, UnknownModelError
from edgeflow.protocols.uart import OVERHEAD

__all__ = ["BoardMeasurement", "line_seconds", "measure"]

MAX_REQUESTS = 1_000_000
_INFER_HEAD, _REPLY_HEAD = 4, 8


class BoardMeasurement(msgspec.Struct, kw_only=True):
    """What was measured. Times are milliseconds.

    Attributes:
        in_flight: requests under way at once.
        rate: answers per second.
        p50, p99: from call to answer; the others are medians of its parts.
        line_rate: answers per second that the line would let through, were it all.
        line: of one request and its answer, one after the other.
    """

    board: str
    protocol: str
    baud: int
    requests: int
    in_flight: int
    seconds: float
    rate: float
    p50: float
    p99: float
    queue: float
    wire: float
    board_queue: float
    compute: float
    line: float
    line_rate: float


def line_seconds(
    protocol: Protocol, baud: int, steps: int, features: int, horizon: int
) -> tuple[float, float]:
    """Return the seconds of a float32 request, and of its answer, on a line with 8N1."""
    values, answer = 4 * steps * features, 4 * horizon
    if protocol is Protocol.REFERENCE:
        up, down = 8 + values, 8 + answer
    else:
        up, down = OVERHEAD + _INFER_HEAD + values, OVERHEAD + _REPLY_HEAD + answer
    return 10.0 * up / baud, 10.0 * down / baud


def measure(
    board: Board,
    *,
    requests: int = 200,
    in_flight: int = 0,
    model: int = 0,
    now: Callable[[], float] = time.perf_counter,
) -> BoardMeasurement:
    """Send random samples and look at the clock.

    Args:
        board: which.
        requests: how many, after a few that are not counted.
        in_flight: how many at once; 1 for one after the other, 0 for what the board takes.
        model: model id.
        now: seconds.

    Raises:
        ConfigError: a number makes no sense.
        UnknownModelError: there is no model.
        EngineError, UnreachableError: as ``Board.submit``.
    """
    if not 1 <= requests <= MAX_REQUESTS or not 0 <= in_flight <= 1024:
        raise ConfigError(f"{requests} requests, {in_flight} at once", hint="1 or more")
    models = board.models
    if model >= len(models) or not models[model].steps:
        raise UnknownModelError(f"{board.name}: no model under the id {model}")
    shape = (models[model].steps, models[model].features)
    samples = np.random.default_rng(0).normal(size=(16, *shape)).astype(np.float32)
    most = in_flight or max(2, 2 * board.info.window)
    _run(board, samples, min(requests, 2 * most), most, model)
    started = now()
    timings = _run(board, samples, requests, most, model)
    seconds = now() - started
    return _summary(board, models[model], timings, most, seconds)


def _run(board: Board, samples: Any, requests: int, most: int, model: int) -> list[Timing]:
    under_way: deque[Future[Forecast]] = deque()
    timings: list[Timing] = []
    for number in range(requests):
        if len(under_way) >= most:
            timings.append(under_way.popleft().result(60.0).timing)
        under_way.append(board.submit(samples[number % len(samples)], model=model, timeout=30.0))
    timings += [each.result(60.0).timing for each in under_way]
    return timings


def _summary(
    board: Board, model: Any, timings: list[Timing], in_flight: int, seconds: float
) -> BoardMeasurement:
    info = board.info
    up, down = line_seconds(info.protocol, info.baud, model.steps, model.features, model.horizon)
    # Both directions at once, where more than one request is under way.
    busy = up + down if in_flight == 1 or info.protocol is Protocol.REFERENCE else max(up, down)
    totals = [each.total for each in timings]
    return BoardMeasurement(
        board=board.name,
        protocol=str(info.protocol),
        baud=info.baud,
        requests=len(timings),
        in_flight=in_flight,
        seconds=seconds,
        rate=len(timings) / max(seconds, 1e-9),
        p50=float(np.percentile(totals, 50)),
        p99=float(np.percentile(totals, 99)),
        queue=float(np.median([each.queue for each in timings])),
        wire=float(np.median([each.wire for each in timings])),
        board_queue=float(np.median([each.board_queue for each in timings])),
        compute=float(np.median([each.compute for each in timings])),
        line=1e3 * (up + down),
        line_rate=1.0 / busy,
    )
