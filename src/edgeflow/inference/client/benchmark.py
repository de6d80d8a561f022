"""Measures a model on a tensor server: latency and throughput as a client sees them."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeflow.errors import EdgeFlowError, EngineError, ProtocolError
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.engines.base import EngineSpec, TensorSpec
from edgeflow.inference.requests import Array, InferRequest

__all__ = ["Report", "measure", "random_inputs"]

_ASSUMED = (("yolov5", "f2", 640), ("ssd", "f4", 300), ("", "f4", 224))
"""What models of these names take where the server cannot tell: side of an RGB image."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        total_s: wall time of all timed requests.
        latencies_ms: of each of them, from its first byte sent to its answer.
    """

    total_s: float
    latencies_ms: Sequence[float]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies_ms) / self.total_s if self.total_s else 0.0

    def percentile(self, percent: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies_ms, percent))

    def lines(self) -> list[str]:
        """Return the two lines that the reference's benchmark prints."""
        count, mean = len(self.latencies_ms), float(np.mean(self.latencies_ms))
        p50, p95, p99 = (self.percentile(percent) for percent in (50, 95, 99))
        return [
            f"count={count} total={self.total_s:.3f}s qps={self.rate:.2f}",
            f"latency_ms: mean={mean:.2f} p50={p50:.2f} p95={p95:.2f} p99={p99:.2f}",
        ]


def random_inputs(client: TensorClient, model: str, size: int = 1) -> list[Array]:
    """Return random inputs for a model, with ``size`` on every free axis.

    A version-1 server cannot tell what the model takes; then its name decides.

    Raises:
        UnknownModelError, UnreachableError, DeadlineError: from asking the server.
    """
    try:
        spec: EngineSpec | None = client.info(model).spec
    except ProtocolError:
        spec = None
    if spec is not None:
        return [_random(tensor, size) for tensor in spec.inputs]
    dtype, side = next((d, s) for start, d, s in _ASSUMED if model.startswith(start))
    return [_random(TensorSpec("input", np.dtype(dtype), (1, 3, side, side)), size)]


def measure(
    connect: Callable[[], TensorClient],
    request: InferRequest,
    *,
    warmup: int = 10,
    count: int = 100,
    concurrency: int = 1,
    window: int = 1,
) -> Report:
    """Send the same request again and again.

    Args:
        connect: gives a client; each of the ``concurrency`` threads has its own.
        request: what to send.
        warmup: requests before the clock starts, on each connection.
        count: timed requests in all.
        concurrency: connections at once.
        window: requests under way on each connection.

    Raises:
        EdgeFlowError: a request failed.
    """
    turns = itertools.islice(itertools.count(), count)
    lock, barrier = threading.Lock(), threading.Barrier(concurrency + 1)
    latencies: list[float] = []
    problems: list[BaseException] = []

    def tickets() -> Iterator[InferRequest]:
        while True:
            with lock:
                if problems or next(turns, None) is None:
                    return
            yield request

    def work() -> None:
        try:
            with connect() as client:
                _drain(client, itertools.repeat(request, warmup), window)
                barrier.wait()
                own = _drain(client, tickets(), window)
            with lock:
                latencies.extend(own)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            problems.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, name=f"bench-{n}") for n in range(concurrency)]
    for thread in threads:
        thread.start()
    started = _begin(barrier)
    for thread in threads:
        thread.join()
    total = time.perf_counter() - started
    for problem in problems:
        if not isinstance(problem, threading.BrokenBarrierError):
            raise problem
    return Report(total, latencies)


def _begin(barrier: threading.Barrier) -> float:
    try:
        barrier.wait()
    except threading.BrokenBarrierError:
        return 0.0
    return time.perf_counter()


def _drain(client: TensorClient, requests: Iterator[InferRequest], window: int) -> list[float]:
    """Send all requests; return their latencies in milliseconds."""
    sent: deque[float] = deque()
    latencies = []

    def stamped() -> Iterator[InferRequest]:
        for request in requests:
            sent.append(time.perf_counter())
            yield request

    for outcome in client.stream(stamped(), window):
        if isinstance(outcome, EdgeFlowError):
            raise outcome
        latencies.append((time.perf_counter() - sent.popleft()) * 1000)
    return latencies


def _random(tensor: TensorSpec, size: int) -> Array:
    shape = [size if axis is None else axis for axis in tensor.shape]
    draw = np.random.default_rng(0)
    if tensor.dtype.kind == "f":
        return draw.random(shape).astype(tensor.dtype)
    if tensor.dtype.kind in "biu":
        return draw.integers(0, 2, shape).astype(tensor.dtype)
    raise EngineError(f"{tensor} is neither numbers nor booleans")
