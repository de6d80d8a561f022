"""The latest answers of a board in figures, for its status."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from edgeflow.core.status import DeviceModelStatus, DeviceStatus
from edgeflow.devices.boards.base import BoardModel, Floats, Forecast

__all__ = ["BoardStatistics", "model_status"]

LATEST = 512
RATE_SECONDS = 5.0
MOST_VALUES = 4096
"""Of the last input, in its status: the newest time steps."""


class BoardStatistics:
    """Counts answers and keeps the latest. Safe to call from several threads.

    Args:
        now: monotonic seconds.
        clock: seconds since the Unix epoch.

    Attributes:
        requests, errors: totals.
        last_seen: seconds since the Unix epoch; 0 if never.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.requests = self.errors = 0
        self.last_seen = 0.0
        self._now, self._clock = now, clock
        self._lock = Lock()
        self._latest: deque[tuple[float, float, float, float]] = deque(maxlen=LATEST)
        self._last: tuple[Floats, Floats] | None = None

    def seen(self) -> None:
        """Note that the board has said something."""
        self.last_seen = self._clock()

    def answered(self, sample: Floats, forecast: Forecast) -> None:
        """Note an answer."""
        timing = forecast.timing
        with self._lock:
            self.requests += 1
            self.last_seen = self._clock()
            self._latest.append((self._now(), timing.wire, timing.compute, timing.total))
            # A copy: the sample may be a part of something large, or be written to again.
            self._last = (_newest(sample).copy(), forecast.values)

    def failed(self) -> None:
        """Note a request without an answer."""
        with self._lock:
            self.requests += 1
            self.errors += 1

    def fill(self, status: DeviceStatus) -> DeviceStatus:
        """Put the figures into a status and return it."""
        with self._lock:
            latest, last = list(self._latest), self._last
            status.requests, status.errors = self.requests, self.errors
            status.last_seen = self.last_seen
        since = self._now() - RATE_SECONDS
        recent = [each[0] for each in latest if each[0] >= since]
        whole = len(recent) < LATEST
        span = RATE_SECONDS if whole else max(1e-3, self._now() - recent[0])
        status.rate = len(recent) / span
        status.wire_p50_ms = _quantile([each[1] for each in latest], 0.5)
        status.compute_p50_ms = _quantile([each[2] for each in latest], 0.5)
        totals = [each[3] for each in latest]
        status.p50_ms, status.p99_ms = _quantile(totals, 0.5), _quantile(totals, 0.99)
        if last is not None:
            status.last_input = last[0].tolist()
            status.last_forecast = last[1].tolist()
        return status


def model_status(model: BoardModel) -> DeviceModelStatus:
    """Return a model as dashboards see it."""
    return DeviceModelStatus(
        id=model.id,
        name=model.name,
        version=model.version,
        kind=model.kind,
        dtype=model.dtype,
        slot=str(model.slot),
        previous=str(model.previous),
        state=model.state,
        shape=[model.steps, model.features, model.horizon, model.hidden],
        bytes=model.file_bytes,
        sha256=model.sha256,
    )


def _newest(sample: Floats) -> Floats:
    return sample[-max(1, MOST_VALUES // max(1, sample.shape[1])) :]


def _quantile(values: Sequence[float], q: float) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
