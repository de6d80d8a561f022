"""What happened to the requests of one version of a model."""

import threading
import time
from collections.abc import Callable, Sequence

from edgeflow.core.histogram import Histogram
from edgeflow.core.status import ModelStatus

__all__ = ["Counters", "Rate", "add_totals"]

_SECONDS = 5
TOTALS = ("requests", "errors", "misfits", "rejected", "late", "cancelled")


class Rate:
    """Events per second over the last full seconds.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seconds = [0] * (_SECONDS + 1)
        self._counts = [0] * (_SECONDS + 1)

    def add(self, second: int, count: int) -> None:
        """Count events of one second (whole monotonic seconds)."""
        slot = second % len(self._seconds)
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
        self._counts[slot] += count

    def per_second(self) -> float:
        """Return the mean of the last five full seconds."""
        this = int(self._now())
        pairs = zip(self._seconds, self._counts, strict=True)
        return sum(count for second, count in pairs if 0 < this - second <= _SECONDS) / _SECONDS


class Counters:
    """Totals since the start; any thread may count.

    Attributes:
        requests: those that have their outcome, whichever it was.
        errors, misfits, rejected, late, cancelled: outcomes other than an answer.
        batches: calls of the engine.
        total: from request to answer; ``compute``: inside the engine, per call.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.requests = 0
        self.errors = 0
        self.misfits = 0
        self.rejected = 0
        self.late = 0
        self.cancelled = 0
        self.batches = 0
        self.total = Histogram()
        self.compute = Histogram()
        self._rate = Rate(now)
        self._lock = threading.Lock()

    def count_answer(self, total_s: float, compute_s: float, at: float) -> None:
        """Count a request that was computed alone."""
        with self._lock:
            self.requests += 1
            self.batches += 1
            self.total.add(int(total_s * 1e9))
            self.compute.add(int(compute_s * 1e9))
            self._rate.add(int(at), 1)

    def count_batch(self, totals_s: list[float], compute_s: float, at: float) -> None:
        """Count requests that were computed together."""
        with self._lock:
            self.requests += len(totals_s)
            self.batches += 1
            for total_s in totals_s:
                self.total.add(int(total_s * 1e9))
            self.compute.add(int(compute_s * 1e9))
            self._rate.add(int(at), len(totals_s))

    def count_error(self) -> None:
        """Count a request that the model failed on, or that it could not be loaded for."""
        with self._lock:
            self.requests += 1
            self.errors += 1

    def count_misfit(self) -> None:
        """Count a request whose tensors do not fit the model."""
        with self._lock:
            self.requests += 1
            self.misfits += 1

    def count_rejected(self) -> None:
        """Count a request that found no room, or lost it."""
        with self._lock:
            self.requests += 1
            self.rejected += 1

    def count_late(self) -> None:
        """Count a request whose deadline had passed."""
        with self._lock:
            self.requests += 1
            self.late += 1

    def count_cancelled(self) -> None:
        """Count a request that was taken back."""
        with self._lock:
            self.requests += 1
            self.cancelled += 1

    def add(self, other: "Counters") -> None:
        """Add the totals of another version."""
        with self._lock:
            for field in (*TOTALS, "batches"):
                setattr(self, field, getattr(self, field) + getattr(other, field))
            self.total.merge(other.total)
            self.compute.merge(other.compute)

    def rate(self) -> float:
        """Return answers per second over the last seconds."""
        with self._lock:
            return self._rate.per_second()


def add_totals(status: ModelStatus, versions: Sequence[Counters]) -> None:
    """Write the sums over all versions of a model into its status."""
    total, compute = Histogram(), Histogram()
    for counters in versions:
        for field in TOTALS:
            setattr(status, field, getattr(status, field) + getattr(counters, field))
        status.rate += counters.rate()
        total.merge(counters.total)
        compute.merge(counters.compute)
    status.p50_ms, status.p99_ms = total.quantile_ms(0.5), total.quantile_ms(0.99)
    status.compute_p50_ms = compute.quantile_ms(0.5)
