"""The blocking client: one connection, the shortest way to an answer."""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from edgeflow.errors import EdgeFlowError, ProtocolError, UnreachableError
from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.blocking import SLICE_SECONDS, let_wait, send_some
from edgeflow.inference.client.connection import NoAnswerError
from edgeflow.inference.client.messages import (
    CLIENT_LIMITS,
    encode,
    infer_response_v1,
    infer_response_v2,
    protocol_of,
)
from edgeflow.inference.descriptions import read_info
from edgeflow.inference.engines.base import EngineSpec
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import ModelInfo
from edgeflow.protocols.tensor import v2
from edgeflow.protocols.tensor.receive import Receiver
from edgeflow.protocols.tensor.wire import Buffer, Status, error_of

__all__ = ["TensorClient"]

_MAX_PARTS = 512
_FRESH_SECONDS = 0.1
"""A connection on which an answer has come so lately is not asked whether it is closed."""
_T = TypeVar("_T")


class TensorClient:
    """Asks one tensor server over one connection, opened when it is first needed.

    Calls from several threads take turns; ``RemoteService`` runs many at once.

    Args:
        host, port: of the server.
        timeout: seconds for one call, retries included, unless its request has a deadline.
        protocol: 1 or 2; None asks the server, and takes 1 if it does not know 2.
        declared: the tensors of the models, for version 1.
        retry: how often, and after which waits, a call is repeated on a fresh socket.
        tls: speak TLS.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8008,
        *,
        timeout: float = 3.0,
        protocol: int | None = None,
        declared: dict[str, EngineSpec] | None = None,
        retry: Retry | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.protocol = protocol
        self._fixed = protocol
        self._address = (host, port)
        self._timeout = timeout
        self._declared = declared or {}
        self._retry = retry or Retry()
        self._tls = tls
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._receiver = Receiver(CLIENT_LIMITS.frame_bytes)
        self._poll = select.poll()
        self._frames: deque[memoryview] = deque()
        self._number = 0
        self._heard = 0.0
        self._check: Callable[[], None] | None = None

    def infer(self, request: InferRequest) -> InferResponse:
        """Run one request.

        Raises:
            UnreachableError: the server cannot be reached, or hung up.
            DeadlineError: no answer in time.
            EngineError: what the server says went wrong.
            ProtocolError: either side could not read the other.
        """
        limit = request.deadline or time.monotonic() + self._timeout
        with self._lock:
            return self._repeat(lambda: self._infer(request, limit, self._connect(limit)), limit)

    def attempt(
        self, request: InferRequest, limit: float, check: Callable[[], None]
    ) -> InferResponse:
        """Try one request once.

        Args:
            request: sent with what is left of its own deadline.
            limit: monotonic seconds.
            check: called now and then while waiting; what it raises ends the try.

        Raises:
            UnreachableError, NoAnswerError, EngineError, ProtocolError: as ``infer``.
        """
        with self._lock:
            self._check = check
            try:
                protocol = self.protocol if self._socket is not None else self._connect(limit)
                return self._infer(request, limit, protocol or 2)
            except ProtocolError:
                self._hang_up()
                raise
            finally:
                self._check = None

    @property
    def is_open(self) -> bool:
        """True while it holds a connection, though the server may have closed it."""
        return self._socket is not None

    def is_connected(self) -> bool:
        """Return whether it holds a connection that the server has not closed."""
        with self._lock:
            peer, silence = self._socket, time.monotonic() - self._heard
            if peer is not None and silence > _FRESH_SECONDS and self._has_hung_up(peer):
                self._hang_up()
            return self._socket is not None

    def stream(
        self, requests: Iterable[InferRequest], window: int = 32
    ) -> Iterator[InferResponse | EdgeFlowError]:
        """Run requests with up to ``window`` of them under way; yield outcomes in their order.

        Nothing is repeated. A connection that is lost ends it.

        Raises:
            UnreachableError, DeadlineError, ProtocolError: as ``infer``.
        """
        with self._lock:
            yield from self._stream(requests, window)

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model.

        Raises:
            ProtocolError: the server speaks version 1, which cannot tell.
            UnknownModelError, UnreachableError, DeadlineError: as ``infer``.
        """
        limit = time.monotonic() + self._timeout
        question = v2.Request(0, model, kind=v2.Kind.DESCRIBE, version=version or "")
        with self._lock:
            return read_info(self._repeat(lambda: self._inquire(question, limit), limit))

    def close(self) -> None:
        """Hang up; the next call connects again."""
        with self._lock:
            self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- calls

    def _repeat(self, call: Callable[[], _T], limit: float) -> _T:
        waits = self._retry.waits()
        while True:
            try:
                return call()
            except UnreachableError:
                wait = next(waits, None)
                if wait is None or time.monotonic() + wait >= limit:
                    raise
            time.sleep(wait)

    def _infer(self, request: InferRequest, limit: float, protocol: int) -> InferResponse:
        number = self._next_number()
        declared = self._declared.get(request.model)
        self._send(encode(request, number, protocol, declared), limit)
        return self._outcome(self._receive(number, limit), request)

    def _inquire(self, question: v2.Request, limit: float) -> str:
        if self._connect(limit) == 1:
            raise ProtocolError(
                f"{self._label} speaks version 1, which does not describe models",
                hint="declare the tensors of the model",
            )
        question.request_id = self._next_number()
        self._send(v2.encode_request(question), limit)
        answer = v2.decode_response(self._receive(question.request_id, limit), CLIENT_LIMITS)
        if answer.status != Status.OK:
            raise error_of(answer.status, answer.text)
        return answer.text

    def _stream(
        self, requests: Iterable[InferRequest], window: int
    ) -> Iterator[InferResponse | EdgeFlowError]:
        waiting: deque[tuple[int, InferRequest]] = deque()
        early: dict[int, memoryview] = {}
        try:
            for request in requests:
                limit = request.deadline or time.monotonic() + self._timeout
                protocol = (self.protocol or 2) if waiting else self._connect(limit)
                number = self._next_number()
                declared = self._declared.get(request.model)
                self._send(encode(request, number, protocol, declared), limit, drain=True)
                waiting.append((number, request))
                if len(waiting) >= window:
                    yield self._next_outcome(waiting, early)
            while waiting:
                yield self._next_outcome(waiting, early)
        finally:
            if waiting:
                self._hang_up()

    def _next_outcome(
        self, waiting: deque[tuple[int, InferRequest]], early: dict[int, memoryview]
    ) -> InferResponse | EdgeFlowError:
        number, request = waiting[0]
        limit = request.deadline or time.monotonic() + self._timeout
        while self.protocol == 2 and number not in early:
            frame = self._frame(limit)
            early[v2.request_id_of(frame)] = frame
        frame = early.pop(number) if self.protocol == 2 else self._frame(limit)
        waiting.popleft()
        try:
            return self._outcome(frame, request)
        except EdgeFlowError as error:
            return error

    def _outcome(self, frame: memoryview, request: InferRequest) -> InferResponse:
        if self.protocol == 1:
            return infer_response_v1(frame, request, self._declared.get(request.model))
        return infer_response_v2(v2.decode_response(frame, CLIENT_LIMITS), request)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    # --- the connection

    @property
    def _label(self) -> str:
        return f"{self._address[0]}:{self._address[1]}"

    def _connect(self, limit: float) -> int:
        """Make sure of a connection; return the version it speaks."""
        if self._socket is not None and self._has_hung_up(self._socket):
            self._hang_up()
        if self._socket is None:
            self._open(limit)
            if self.protocol is None:
                self.protocol = self._negotiate(limit)
        return self.protocol or 2

    def _open(self, limit: float) -> None:
        try:
            peer = socket.create_connection(self._address, _left(limit))
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                peer = self._tls.wrap_socket(peer, server_hostname=self._address[0])
        except TimeoutError:
            raise UnreachableError(f"{self._label} does not accept a connection") from None
        except OSError as error:
            raise UnreachableError(f"{self._label}: {error}") from error
        let_wait(peer)
        self._socket = peer
        self._poll = select.poll()
        self._poll.register(peer)
        self._receiver = Receiver(CLIENT_LIMITS.frame_bytes)

    def _negotiate(self, limit: float) -> int:
        number = self._next_number()
        self._send(v2.encode_request(v2.Request(number, kind=v2.Kind.PING)), limit)
        try:
            frame = self._frame(limit)
        except UnreachableError:
            self._open(limit)
            return 1
        if protocol_of(frame) == 1:
            self._hang_up()
            self._open(limit)
            return 1
        answer = v2.decode_response(frame, CLIENT_LIMITS)
        if answer.status != Status.OK:
            self._hang_up()
            raise error_of(answer.status, answer.text)
        return 2

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._heard = 0.0
            self._frames.clear()
            self.protocol = self._fixed

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[socket.socket]:
        """Give the socket; hang up when it fails or when anything is left half done."""
        peer = self._socket
        if peer is None:
            raise UnreachableError(f"{self._label} is not connected")
        try:
            yield peer
        except TimeoutError:
            self._hang_up()
            raise NoAnswerError(f"{self._label} gave no answer in time") from None
        except OSError as error:
            self._hang_up()
            raise UnreachableError(f"{self._label} has hung up: {error}") from error
        except BaseException:
            self._hang_up()
            raise

    def _send(self, parts: Sequence[Buffer], limit: float, *, drain: bool = False) -> None:
        """Send; meanwhile take answers that arrive, if there may be any."""
        with self._guarded() as peer:
            if self._tls is not None or len(parts) > _MAX_PARTS:
                peer.settimeout(_left(limit))
                peer.sendall(b"".join(parts))
                let_wait(peer)
                return
            while parts:
                try:
                    parts = send_some(peer, parts)
                except BlockingIOError:
                    events = select.POLLOUT | (select.POLLIN if drain else 0)
                    if self._await(events, limit) & select.POLLIN:
                        self._read(peer, limit)

    def _receive(self, number: int, limit: float) -> memoryview:
        """Return the next answer; version-2 answers to calls that were given up are skipped."""
        while True:
            frame = self._frame(limit)
            if self.protocol == 1 or v2.request_id_of(frame) == number:
                return frame

    def _frame(self, limit: float) -> memoryview:
        if not self._frames:
            with self._guarded() as peer:
                while not self._frames:
                    self._read(peer, limit)
        return self._frames.popleft()

    def _read(self, peer: socket.socket, limit: float) -> None:
        """Take what has arrived, after waiting for it; keep the frames that are complete."""
        flags = 0 if self._tls or limit - time.monotonic() > SLICE_SECONDS else socket.MSG_DONTWAIT
        while True:
            try:
                count = peer.recv_into(self._receiver.space(), 0, flags)
                break
            except (BlockingIOError, ssl.SSLWantReadError):
                if self._check is not None:
                    self._check()
                self._await(select.POLLIN, limit)
        if not count:
            raise ConnectionError("closed by the server")
        if self._receiver.received(count):
            while (cut := self._receiver.next()) is not None:
                self._heard = time.monotonic()
                self._frames.append(cut.frame)

    def _await(self, events: int, limit: float) -> int:
        """Return which of the events there are, after waiting for one.

        Raises:
            TimeoutError: none until ``limit``.
        """
        self._poll.modify(self._socket or -1, events)
        while True:
            left, check = _left(limit), self._check
            found = self._poll.poll((left if check is None else min(left, SLICE_SECONDS)) * 1000)
            if found:
                return found[0][1]
            if check is not None:
                check()

    def _has_hung_up(self, peer: socket.socket) -> bool:
        """Return whether an idle connection is closed: nothing else can be readable on it."""
        self._poll.modify(peer, select.POLLIN)
        return bool(self._poll.poll(0))


def _left(limit: float) -> float:
    left = limit - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
