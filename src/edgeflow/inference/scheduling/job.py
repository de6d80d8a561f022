"""A request on its way to an instance of its model."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow.errors import CancelledError, EdgeFlowError
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import Done

__all__ = ["Holder", "Job"]

log = structlog.get_logger(__name__)


class Holder(Protocol):
    """Where a job waits."""

    def withdraw(self, job: "Job") -> bool:
        """Take the job out and count it as cancelled; False when it is not here any more."""
        ...


class Job:
    """A request and whom to tell; a ``Ticket``.

    Attributes:
        inputs: by name, checked against the model.
        queued: when it came, in monotonic seconds.
        holder: where it waits.
        crowded: it waits above the queue's capacity (policy ``block``): whoever sent it should
            read no more from this client until something is answered.
    """

    __slots__ = (
        "_done",
        "client",
        "crowded",
        "deadline",
        "holder",
        "inputs",
        "outputs",
        "priority",
        "queued",
        "request",
    )

    def __init__(self, request: InferRequest, done: Done, queued: float) -> None:
        self.request = request
        self._done = done
        self.queued = queued
        self.client = request.client
        self.priority = request.priority
        self.deadline = request.deadline
        self.inputs: dict[str, npt.NDArray[Any]] = {}
        self.outputs: tuple[str, ...] | None = None
        self.holder: Holder | None = None
        self.crowded = False

    def tell(self, outcome: InferResponse | EdgeFlowError) -> None:
        """Tell the outcome; a listener that raises breaks its contract, and nothing else."""
        try:
            self._done(outcome)
        except Exception:  # other requests wait for the thread that tells
            log.exception("listener_failed", model=self.request.model)

    def cancel(self) -> None:
        """Take the request back; it is answered with ``CancelledError`` if it still waits."""
        holder = self.holder
        if holder is not None and holder.withdraw(self):
            self.tell(CancelledError(f"model {self.request.model!r}: the request was taken back"))

    def is_late(self, now: float) -> bool:
        """True when nobody wants the answer any more."""
        return self.deadline is not None and now >= self.deadline

    def signature(self) -> tuple[Any, ...]:
        """Return what must be equal for two requests to share a batch: all axes but the first.

        One whose inputs have first axes of different sizes is like no other.
        """
        shapes = [(name, array.shape[1:]) for name, array in self.inputs.items()]
        even = len({array.shape[:1] for array in self.inputs.values()}) == 1
        return (*shapes, 0 if even else id(self))

    def nbytes(self) -> int:
        """Return the size of its inputs."""
        return sum(array.nbytes for array in self.inputs.values())

    def rows(self) -> int:
        """Return the size of the first axis of its first input."""
        first = next(iter(self.inputs.values()), np.empty(0))
        return int(first.shape[0]) if first.ndim else 0
