"""What the servers answered: counts and times per protocol, model and outcome."""

import threading
import time
from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass, field

from edgeflow.core.histogram import Histogram
from edgeflow.core.status import ModelStatus
from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
)
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import Done, InferenceService, ModelInfo, Ticket

__all__ = ["CountedService", "Statistics", "Sums", "outcome_of"]

_OUTCOMES: tuple[tuple[type[EdgeFlowError], str], ...] = (
    (UnknownModelError, "unknown_model"),
    (TensorError, "bad_tensor"),
    (OverloadedError, "overloaded"),
    (DeadlineError, "late"),
    (CancelledError, "cancelled"),
    (ProtocolError, "malformed"),
)


def outcome_of(result: InferResponse | EdgeFlowError) -> str:
    """Return one word for how a request ended; ``ok`` or ``failed`` if no other fits."""
    if isinstance(result, InferResponse):
        return "ok"
    return next((word for kind, word in _OUTCOMES if isinstance(result, kind)), "failed")


@dataclass(slots=True)
class Sums:
    """What one version of a model did.

    Attributes:
        successes, failures: requests.
        success_ns, failure_ns, queue_ns, compute_ns: sums over them.
        executions: calls of the engine; fewer than requests where these are batched.
        batches: requests and nanoseconds of compute per number of requests computed together.
        last: seconds since the Unix epoch of the last answer.
    """

    successes: int = 0
    failures: int = 0
    success_ns: int = 0
    failure_ns: int = 0
    queue_ns: int = 0
    compute_ns: int = 0
    executions: float = 0.0
    batches: dict[int, list[int]] = field(default_factory=dict)
    last: float = 0.0

    def add(self, response: InferResponse, total_ns: int) -> None:
        """Count an answer."""
        compute_ns = int(response.compute_s * 1e9)
        self.successes += 1
        self.success_ns += total_ns
        self.queue_ns += int(response.queue_s * 1e9)
        self.compute_ns += compute_ns
        self.executions += 1 / response.batch
        batch = self.batches.setdefault(response.batch, [0, 0])
        batch[0] += 1
        batch[1] += compute_ns
        self.last = time.time()


class Statistics:
    """Counts since the start, shared by all servers of one service. Any thread may record."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._times: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
        self._sums: defaultdict[tuple[str, str], Sums] = defaultdict(Sums)
        self._answering: dict[str, str] = {}

    def record(
        self, protocol: str, request: InferRequest, result: InferResponse | EdgeFlowError, ns: int
    ) -> None:
        """Count one request of a model that took ``ns``."""
        outcome = outcome_of(result)
        # Names that clients make up must not become series for ever.
        model = "" if outcome == "unknown_model" else request.model
        with self._lock:
            self._counts[protocol, model, outcome] += 1
            if isinstance(result, InferResponse):
                self._times[protocol, model].add(ns)
                self._sums[model, result.version].add(result, ns)
                self._answering[model] = result.version
            elif model:
                version = request.version or ""
                if (model, version) not in self._sums:
                    version = self._answering.get(model, "")
                sums = self._sums[model, version]
                sums.failures += 1
                sums.failure_ns += ns

    def refuse(self, protocol: str) -> None:
        """Count a request that could not be read."""
        with self._lock:
            self._counts[protocol, "", "malformed"] += 1

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Return requests by protocol, model and outcome; unknown models have no name."""
        with self._lock:
            return dict(self._counts)

    def times(self) -> dict[tuple[str, str], Histogram]:
        """Return the time of answered requests by protocol and model."""
        with self._lock:
            return {key: Histogram(h.counts, h.total_ns) for key, h in self._times.items()}

    def sums(self) -> dict[tuple[str, str], Sums]:
        """Return what models did, by name and version; that is empty before the first answer."""
        with self._lock:
            return deepcopy(dict(self._sums))


class CountedService(InferenceService):
    """A service whose requests are counted under the name of one protocol."""

    def __init__(self, service: InferenceService, statistics: Statistics, protocol: str) -> None:
        self._service = service
        self._protocol = protocol
        self.statistics = statistics

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Queue a request and return at once."""
        return self._service.submit(request, self._counting(request, done))

    def _counting(self, request: InferRequest, done: Done) -> Done:
        started = time.perf_counter_ns()

        def count(result: InferResponse | EdgeFlowError) -> None:
            elapsed = time.perf_counter_ns() - started
            if request.inline:  # the answer first
                done(result)
            self.statistics.record(self._protocol, request, result, elapsed)
            if not request.inline:
                done(result)

        return count

    def refuse(self) -> None:
        """Count a request that could not be read."""
        self.statistics.refuse(self._protocol)

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model."""
        return self._service.info(model, version)

    def status(self) -> list[ModelStatus]:
        """Return every model as it is now."""
        return self._service.status()

    def load(self, model: str, version: str | None = None) -> None:
        """Load or reload a model."""
        self._service.load(model, version)

    def unload(self, model: str) -> None:
        """Let go of a model."""
        self._service.unload(model)

    def is_ready(self, model: str | None = None) -> bool:
        """Return whether the model, or every pinned one, can answer at once."""
        return self._service.is_ready(model)

    def close(self) -> None:
        """Leave the service to its owner."""
