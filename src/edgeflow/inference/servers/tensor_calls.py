"""One request of the tensor server: from the frame to the service, from the outcome to bytes."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from edgeflow.errors import EdgeFlowError, EngineError
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import Ticket
from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.wire import Buffer, Status, status_of

if TYPE_CHECKING:
    from edgeflow.inference.servers.tensor_connection import Connection

__all__ = ["Call", "infer_request_v1", "infer_request_v2"]

log = structlog.get_logger(__name__)

_MAX_TEXT = 4096


class Call:
    """A request under way. Its outcome is an answer, a description (text) or an error.

    Attributes:
        connection: who asked.
        protocol: 1 or 2.
        model: the name asked for.
        nbytes: what its frame holds of the server's memory.
        ticket: how to withdraw it, once it is with the service.
        home: the thread of the loop, if that may compute it; 0 if it may not.
        told: the connection has the answer.
    """

    __slots__ = (
        "_finished",
        "connection",
        "home",
        "kind",
        "model",
        "nbytes",
        "outcome",
        "protocol",
        "request_id",
        "started",
        "ticket",
        "told",
    )

    def __init__(
        self,
        connection: "Connection",
        finished: Callable[["Call"], None],
        protocol: int,
        nbytes: int,
        request_id: int = 0,
    ) -> None:
        self.connection = connection
        self.protocol = protocol
        self.kind = v2.Kind.INFER
        self.request_id = request_id
        self.model = ""
        self.nbytes = nbytes
        self.started = time.perf_counter_ns()
        self.ticket: Ticket | None = None
        self.home = 0
        self.told = False
        self.outcome: InferResponse | str | EdgeFlowError | None = None
        self._finished = finished

    def done(self, outcome: InferResponse | str | EdgeFlowError) -> None:
        """Take the outcome; any thread."""
        self.outcome = outcome
        if self.home == threading.get_ident():
            self.connection.answer_now(self)  # before anything is counted: the client waits
        self._finished(self)

    def cancel(self) -> None:
        """Tell the service that nobody waits any more."""
        if self.ticket is not None and self.outcome is None:
            self.ticket.cancel()

    @property
    def status(self) -> Status:
        """How it ended."""
        outcome = self.outcome
        return status_of(outcome) if isinstance(outcome, EdgeFlowError) else Status.OK

    def answer(self) -> list[Buffer]:
        """Return the message that tells the client the outcome."""
        try:
            return self._encode()
        except Exception as error:  # noqa: BLE001 - whatever a model gives as its outputs
            log.warning("answer_not_encoded", model=self.model, error=str(error))
            self.outcome = EngineError(f"the outputs cannot be sent: {error}")
            return self._encode()

    def _encode(self) -> list[Buffer]:
        outcome = self.outcome
        if self.protocol == 1:
            if isinstance(outcome, InferResponse):
                return v1.encode_response(Status.OK, list(outcome.outputs.values()))
            return v1.encode_response(self.status)
        if isinstance(outcome, InferResponse):
            return self.connection.encoder.encode(
                self.request_id, outcome.model, outcome.version, outcome.outputs,
                queue_us=int(outcome.queue_s * 1e6), compute_us=int(outcome.compute_s * 1e6),
                batch=outcome.batch,
            )  # fmt: skip
        response = v2.Response(self.request_id, self.status, self.kind)
        if isinstance(outcome, EdgeFlowError):
            response.text = str(outcome)[:_MAX_TEXT]
        else:
            response.text = outcome or ""
        return v2.encode_response(response)


def infer_request_v1(request: v1.Request, client: str) -> InferRequest:
    """Return what the service is asked; ``client`` is the key of fairness."""
    return InferRequest(request.model, request.inputs, client=client)


def infer_request_v2(request: v2.Request, client: str) -> InferRequest:
    """Return what the service is asked; the deadline counts from now."""
    deadline = time.monotonic() + request.deadline_ms / 1000 if request.deadline_ms else None
    return InferRequest(
        request.model,
        request.inputs,
        request.version or None,
        request.outputs or None,
        str(request.request_id),
        client,
        request.priority,
        deadline,
    )
