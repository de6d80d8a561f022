"""Plain requests of the extended protocol to one board."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from edgeflow.devices.boards.calls import check_payload, check_reply
from edgeflow.devices.serial.link import SerialLink
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import DeadlineError, UnknownModelError
from edgeflow.protocols.uart import MAX_MODEL_IDS, MAX_PAYLOAD, Message

__all__ = ["BoardWire"]

T = TypeVar("T")


class BoardWire:
    """Makes requests of types and payloads.

    Args:
        name: of the board, for messages.
        link: its link.
        clock: monotonic seconds, as the link has them.
        seen: called when the board answered.

    Attributes:
        max_payload: bytes of the largest payload that it takes.
    """

    def __init__(
        self, name: str, link: SerialLink, clock: Callable[[], float], seen: Callable[[], None]
    ) -> None:
        self.name = name
        self.max_payload = MAX_PAYLOAD
        self._link, self._clock, self._seen = link, clock, seen

    def call(
        self,
        kind: int,
        payload: bytes = b"",
        *,
        model: int = 0,
        timeout: float = 5.0,
        repeat: bool = True,
    ) -> bytes:
        """Send a request and return the payload of its reply.

        Args:
            kind: its type.
            payload: its payload.
            model: model id.
            timeout: seconds for the answer.
            repeat: it may reach the board twice, when an answer is lost.

        Raises:
            EngineError: the board refused it; UnreachableError, DeadlineError.
        """
        future = self.start(kind, payload, model=model, timeout=timeout, repeat=repeat)
        return self.wait(future, timeout)

    def wait(self, future: Future[T], timeout: float) -> T:
        """Return the result of a request that has so many seconds to be answered.

        Raises:
            DeadlineError: the link itself does not get on.
            Others as ``call``.
        """
        try:
            return future.result(timeout + 1.0)
        except TimeoutError:
            future.cancel()
            raise DeadlineError(f"{self.name}: no answer in time") from None

    def start(
        self,
        kind: int,
        payload: bytes = b"",
        *,
        model: int = 0,
        timeout: float = 5.0,
        repeat: bool = True,
    ) -> Future[bytes]:
        """Queue a request, as ``call`` does."""
        return self.ask(
            kind, payload, self._payload_of, model=model, timeout=timeout, repeat=repeat
        )

    def ask(
        self,
        kind: int,
        payload: bytes,
        answer: Callable[[Message, Request], T],
        *,
        model: int = 0,
        timeout: float,
        repeat: bool = True,
    ) -> Future[T]:
        """Queue a request whose reply ``answer`` reads, in the link's thread.

        Raises:
            TensorError: the payload is too large.
            UnknownModelError: no board has such a model id.
            OverloadedError, UnreachableError: as ``Board.submit``.
        """
        check_payload(self.name, payload, self.max_payload)
        if not 0 <= model < MAX_MODEL_IDS:
            raise UnknownModelError(f"{self.name}: no model id {model}")
        now = self._clock()
        request = Request(
            kind, payload, answer, model=model, submitted=now, deadline=now + timeout, repeat=repeat
        )
        self._link.submit(request)
        return request.future

    def clock(self) -> float:
        """Return monotonic seconds."""
        return self._clock()

    def _payload_of(self, reply: Message, _: Request) -> bytes:
        self._seen()
        return check_reply(self.name, reply)
