"""One connection of the asynchronous client: many requests at once, each with a time limit."""

import asyncio
import time
from collections import deque
from typing import Any

import structlog

from edgeflow.errors import DeadlineError, EdgeFlowError, ProtocolError, UnreachableError
from edgeflow.inference.client.messages import CLIENT_LIMITS, protocol_of
from edgeflow.protocols.tensor import v2
from edgeflow.protocols.tensor.receive import Receiver
from edgeflow.protocols.tensor.wire import Buffer

__all__ = ["ClientConnection", "NoAnswerError"]

log = structlog.get_logger(__name__)

_WRITE_BUFFER = 1 << 20
_SILENCE_SECONDS = 2.0
"""A connection on which nothing came for this long, although asked, is given up."""


class NoAnswerError(DeadlineError):
    """The server said nothing in time; it may hang."""


class ClientConnection(asyncio.BufferedProtocol):
    """Sends requests and gives each its answer. All methods run in one loop.

    Version-1 answers are matched by their order, version-2 answers by their number.

    Args:
        label: the server's name for messages.
    """

    def __init__(self, label: str) -> None:
        self.protocol = 2
        self._label = label
        self._loop = asyncio.get_running_loop()
        self._receiver = Receiver(CLIENT_LIMITS.frame_bytes)
        self._transport: Any = None
        self._numbered: dict[int, asyncio.Future[Any]] = {}
        self._ordered: deque[asyncio.Future[Any]] = deque()
        self._writable = asyncio.Event()
        self._unheard: float | None = None
        self._last = 0

    @property
    def is_open(self) -> bool:
        """False once it is of no use."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def flight(self) -> int:
        """Requests without an answer."""
        return len(self._numbered) + len(self._ordered)

    def next_number(self) -> int:
        """Return an id that no request of this connection has."""
        self._last += 1
        return self._last

    async def ask(self, parts: list[Buffer], number: int, timeout: float) -> Any:
        """Send a request and wait for its answer: a ``v2.Response``, or a version-1 frame.

        Args:
            parts: the message.
            number: the id in it; version-1 requests are told apart by the connection's protocol.
            timeout: seconds.

        Raises:
            NoAnswerError: none came in time.
            UnreachableError: the connection was lost.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        limit = self._loop.call_later(timeout, self._expire, answer, timeout)
        try:
            if not self._writable.is_set():
                await self._wait_until_writable(answer)
            if not self.is_open:
                raise UnreachableError(f"{self._label} has hung up")
            if self.protocol == 1:
                self._ordered.append(answer)
            else:
                self._numbered[number] = answer
            if self._unheard is None:
                self._unheard = time.monotonic()
            for part in parts:
                self._transport.write(part)
            return await answer
        except (NoAnswerError, asyncio.CancelledError):
            self._withdraw(number)
            raise
        finally:
            limit.cancel()
            self._numbered.pop(number, None)

    def close(self) -> None:
        """Hang up; requests without an answer fail."""
        if self._transport is not None:
            self._transport.abort()

    # --- called by the loop

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._receiver.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Hand out the answers that are complete."""
        self._unheard = None
        if not self._receiver.received(nbytes):
            return
        try:
            while (cut := self._receiver.next()) is not None:
                self._hand_out(cut.frame)
        except EdgeFlowError as error:
            log.warning("answer_unreadable", gateway=self._label, error=str(error))
            self._fail(ProtocolError(f"{self._label}: {error}"))
            self.close()
        if self.flight:
            self._unheard = time.monotonic()

    def eof_received(self) -> bool:
        """Close with the server."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._transport = None
        self._writable.set()
        reason = f": {exc}" if exc is not None else ""
        self._fail(UnreachableError(f"{self._label} has hung up{reason}"))

    def pause_writing(self) -> None:
        """Let requests wait until the server takes more."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let them go on."""
        self._writable.set()

    # --- inside

    async def _wait_until_writable(self, answer: asyncio.Future[Any]) -> None:
        writable = asyncio.ensure_future(self._writable.wait())
        try:
            await asyncio.wait((writable, answer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            writable.cancel()
        if answer.done():
            answer.result()

    def _hand_out(self, frame: memoryview) -> None:
        if self.protocol == 1:
            answer = self._ordered.popleft() if self._ordered else None
            result: Any = frame
        elif protocol_of(frame) == 1:
            raise ProtocolError("the server answered in version 1")
        else:
            result = v2.decode_response(frame, CLIENT_LIMITS)
            answer = self._numbered.pop(result.request_id, None)
        if answer is not None and not answer.done():
            answer.set_result(result)

    def _expire(self, answer: asyncio.Future[Any], timeout: float) -> None:
        if not answer.done():
            text = f"{self._label} gave no answer within {timeout:.3g} s"
            answer.set_exception(NoAnswerError(text))

    def _withdraw(self, number: int) -> None:
        """Take a request back; version 1 can only do so by hanging up."""
        if not self.is_open:
            return
        silence = 0.0 if self._unheard is None else time.monotonic() - self._unheard
        if self.protocol == 1 or silence > _SILENCE_SECONDS:
            self.close()
            return
        cancel = v2.Request(number, kind=v2.Kind.CANCEL)
        for part in v2.encode_request(cancel):
            self._transport.write(part)

    def _fail(self, error: EdgeFlowError) -> None:
        waiting = [*self._numbered.values(), *self._ordered]
        self._numbered.clear()
        self._ordered.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(error)
