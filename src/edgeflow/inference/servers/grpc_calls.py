"""Inferences over gRPC: one at a time, or many on one stream."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
)
from edgeflow.inference.requests import InferResponse
from edgeflow.inference.servers.oip_requests import service_request
from edgeflow.inference.servers.statistics import CountedService
from edgeflow.inference.service import Ticket
from edgeflow.protocols.oip_grpc import (
    decode_request,
    encode_response,
    encode_stream_error,
    encode_stream_response,
)

__all__ = ["Call", "Stream", "code_of"]

STREAM_WINDOW = 64
"""Requests of one stream that are under way at once; more are read when one is answered."""
ANSWER_SECONDS = 300.0
"""Until a request without a deadline of its own is answered."""

_CODES: tuple[tuple[type[EdgeFlowError], str], ...] = (
    (ProtocolError, "INVALID_ARGUMENT"),
    (TensorError, "INVALID_ARGUMENT"),
    (UnknownModelError, "NOT_FOUND"),
    (OverloadedError, "RESOURCE_EXHAUSTED"),
    (DeadlineError, "DEADLINE_EXCEEDED"),
    (CancelledError, "CANCELLED"),
)


def code_of(error: EdgeFlowError) -> str:
    """Return the name of the gRPC status that tells an error best."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "INTERNAL")


class Call:
    """One inference.

    Args:
        service: who computes.
        peer: of the connection, as gRPC names it.
        ended: told when there is an outcome, from any thread.
    """

    def __init__(
        self,
        service: CountedService,
        peer: str,
        ended: Callable[["Call"], None] = lambda _: None,
    ) -> None:
        self.request_id = ""
        self.seconds = ANSWER_SECONDS
        self._service = service
        self._client = _client(peer)
        self._ended = ended
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._ticket: Ticket | None = None
        self._result: InferResponse | EdgeFlowError | None = None

    def submit(self, data: bytes, remaining: float | None) -> None:
        """Hand a request to the service; whatever is wrong with it becomes its outcome.

        Args:
            data: the encoded request.
            remaining: seconds until the client's own deadline, if it has one.
        """
        now = time.monotonic()
        try:
            model, version, asked = decode_request(data)
            request = service_request(asked, model, version, now, self._client)
        except EdgeFlowError as error:
            self._service.refuse()
            self._done(error)
            return
        self.request_id = asked.id
        if remaining is not None:
            limit = now + min(remaining, ANSWER_SECONDS)
            request.deadline = min(limit, request.deadline or limit)
        if request.deadline is not None:
            self.seconds = min(ANSWER_SECONDS, max(0.0, request.deadline - now))
        self._ticket = self._service.submit(request, self._done)
        if isinstance(self._result, CancelledError):  # given up before there was a ticket
            self._ticket.cancel()

    @property
    def is_crowded(self) -> bool:
        """It waits above the capacity of its model's queue: read no more from who sent it."""
        return bool(getattr(self._ticket, "crowded", False))

    def wait(self) -> None:
        """Wait for the outcome; give up when it is too late."""
        if not self._over.wait(self.seconds):
            self.give_up(DeadlineError(f"no answer within {self.seconds:.3g} s"))

    def give_up(self, error: EdgeFlowError) -> None:
        """End with an error unless there is an outcome, and withdraw the request."""
        self._done(error)
        if self._ticket is not None:
            self._ticket.cancel()

    def response(self) -> bytes:
        """Return the encoded response.

        Raises:
            EdgeFlowError: what the request ended with.
        """
        result = self._result
        if isinstance(result, InferResponse):
            return encode_response(result.model, result.version, self.request_id, result.outputs)
        raise result or CancelledError("the request has no outcome")

    def _done(self, result: InferResponse | EdgeFlowError) -> None:
        with self._lock:
            if self._result is not None:
                return
            self._result = result
        self._over.set()
        self._ended(self)


class Stream:
    """The inferences of one stream. Answers go out as they are ready, whatever their order.

    A thread of its own reads the requests until the client has sent all, or has left.
    """

    def __init__(self, service: CountedService, peer: str, requests: Iterator[bytes]) -> None:
        self._service = service
        self._peer = peer
        self._requests = requests
        self._answers: queue.SimpleQueue[Call | int] = queue.SimpleQueue()
        self._room = threading.Semaphore(STREAM_WINDOW)
        self._calls: set[Call] = set()
        self._lock = threading.Lock()
        self._over = False
        self._reader = threading.Thread(target=self._read, name="edgeflow-stream", daemon=True)

    def responses(self) -> Iterator[bytes]:
        """Yield the encoded answers."""
        self._reader.start()
        expected: int | None = None
        answered = 0
        while expected is None or answered < expected:
            item = self._answers.get()
            if isinstance(item, int):
                expected = item
                continue
            answered += 1
            with self._lock:
                self._calls.discard(item)
            self._room.release()
            yield _stream_response(item)
        self._reader.join(1.0)

    def end(self) -> None:
        """Withdraw everything: the client has left, or the stream is over. Idempotent."""
        with self._lock:
            self._over = True
            calls = list(self._calls)
        for call in calls:
            call.give_up(CancelledError("the client left"))
        self._room.release()

    def _read(self) -> None:
        count = 0
        try:
            for data in self._requests:
                self._room.acquire()
                call = Call(self._service, self._peer, self._answers.put)
                with self._lock:
                    if self._over:
                        break
                    self._calls.add(call)
                count += 1
                call.submit(data, None)
                if call.is_crowded:
                    call.wait()
        except Exception:  # noqa: BLE001, S110 - gRPC raises its own when the client has left
            pass
        finally:
            self._answers.put(count)


def _client(peer: str) -> str:
    """Return the key of fairness for ``ipv4:127.0.0.1:1234`` or ``ipv6:%5B::1%5D:1234``."""
    host, _, port = unquote(peer).partition(":")[2].rpartition(":")
    return f"{host.strip('[]')}/grpc:{port}"


def _stream_response(call: Call) -> bytes:
    try:
        return encode_stream_response(call.response())
    except EdgeFlowError as error:
        return encode_stream_error(call.request_id, str(error))
