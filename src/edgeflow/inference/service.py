"""The one door to models: servers and pipelines call it, repositories and remote clients are it.

``submit`` never blocks and never raises for what concerns one request: the outcome comes through
``done``. ``infer`` waits. Both may be called from any thread.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from edgeflow.core.status import ModelStatus
from edgeflow.errors import DeadlineError, EdgeFlowError
from edgeflow.inference.engines.base import EngineSpec
from edgeflow.inference.requests import InferRequest, InferResponse

__all__ = ["Check", "Done", "InferenceService", "ModelInfo", "Ticket", "no_check", "wait_for"]

CHECK_SECONDS = 0.2

Done: TypeAlias = Callable[[InferResponse | EdgeFlowError], None]
"""Told the outcome exactly once, from any thread (perhaps from inside ``submit``); must be quick
and must not raise."""

Check: TypeAlias = Callable[[], None]
"""Called now and then by who waits; what it raises ends the wait."""


def no_check() -> None:
    """Let the wait go on."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a client may know of a model.

    Attributes:
        name, version: the one that would answer now.
        versions: all that can be asked for, oldest first.
        platform: ``onnxruntime_onnx``, ``pytorch_libtorch``...
        spec: its tensors.
        max_batch: largest first axis the scheduler makes itself; 0 for no batching.
        labels: class names, if the model comes with them.
    """

    name: str
    version: str
    versions: tuple[str, ...]
    platform: str
    spec: EngineSpec
    max_batch: int = 0
    labels: tuple[str, ...] = ()


class Ticket(Protocol):
    """A request under way.

    A service that lets requests wait above its queue's capacity gives its tickets an attribute
    ``crowded``: when it is true, a server should read no more from that client until the request
    is answered.
    """

    def cancel(self) -> None:
        """Nobody waits for it any more. ``done`` is still called, with ``CancelledError`` unless
        it was being computed. Idempotent.
        """
        ...


class InferenceService(ABC):
    """Runs requests on models."""

    @abstractmethod
    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Queue a request and return at once. Its errors are those that ``infer`` raises."""

    @abstractmethod
    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model; loads it if it is not loaded.

        Raises:
            UnknownModelError: there is no such model or version, or it cannot be loaded.
        """

    @abstractmethod
    def status(self) -> list[ModelStatus]:
        """Return every model as it is now, loaded or not."""

    @abstractmethod
    def load(self, model: str, version: str | None = None) -> None:
        """Load or reload a model and wait until it is ready.

        Raises:
            UnknownModelError: it cannot be.
        """

    @abstractmethod
    def unload(self, model: str) -> None:
        """Let go of a model; requests under way are answered first.

        Raises:
            UnknownModelError: there is no such model.
        """

    @abstractmethod
    def is_ready(self, model: str | None = None) -> bool:
        """True when the model, or without a name every pinned model, can answer at once."""

    @abstractmethod
    def close(self) -> None:
        """Answer what is queued with ``CancelledError`` and let go of everything. Idempotent."""

    def infer(
        self, request: InferRequest, timeout: float = 30.0, check: Check = no_check
    ) -> InferResponse:
        """Run one request and wait for it, ``timeout`` seconds at most and while ``check`` returns.

        Raises:
            UnknownModelError: no such model or version, or it cannot be loaded.
            TensorError: names, dtypes or shapes do not fit.
            OverloadedError: the queue is full.
            DeadlineError: too late.
            EngineError: the model failed.
        """
        return wait_for(lambda done: self.submit(request, done), request, timeout, check)


def wait_for(
    submit: Callable[[Done], Ticket], request: InferRequest, timeout: float, check: Check
) -> InferResponse:
    """Submit a request and wait for it; see ``InferenceService.infer``."""
    outcome: list[InferResponse | EdgeFlowError] = []
    over = threading.Lock()  # held until it is over: cheaper than an event
    over.acquire()

    def done(result: InferResponse | EdgeFlowError) -> None:
        outcome.append(result)
        over.release()

    ticket = submit(done)
    limit = timeout
    if request.deadline is not None:
        limit = min(limit, max(0.0, request.deadline - time.monotonic()) + 1.0)
    try:
        _await(over, limit, check, request.model)
    except BaseException:
        ticket.cancel()
        raise
    if isinstance(outcome[0], EdgeFlowError):
        raise outcome[0]
    return outcome[0]


def _await(over: threading.Lock, seconds: float, check: Check, model: str) -> None:
    due = time.monotonic() + seconds
    left = seconds
    while not over.acquire(timeout=min(CHECK_SECONDS, max(0.0, left))):
        check()
        left = due - time.monotonic()
        if left <= 0:
            raise DeadlineError(f"model {model!r} gave no answer within {seconds:g} s")
