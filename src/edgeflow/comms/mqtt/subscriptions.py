"""What a client wants to hear, and what the broker has said to that."""

import asyncio
from typing import Any

from edgeflow.comms.mqtt.session import Session
from edgeflow.errors import ProtocolError, UnreachableError

__all__ = ["Subscriptions"]

ASK_AGAIN, LONGEST_PAUSE = 2.0, 60.0


class Subscriptions:
    """Filters with their QoS, asked for anew on every connection, and after a refusal.

    Args:
        log: told of refusals.
    """

    def __init__(self, log: Any) -> None:
        self.wanted: dict[str, int] = {}
        self._granted: set[str] = set()
        self._asked: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._log = log
        self._pause = ASK_AGAIN
        self._again: asyncio.TimerHandle | None = None

    @property
    def unheard(self) -> list[str]:
        """Filters that the broker has not granted on this connection."""
        return [pattern for pattern in self.wanted if pattern not in self._granted]

    def ask(self, session: Session, pattern: str, qos: int) -> "asyncio.Future[None]":
        """Ask for one; return what becomes of it."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[session.subscribe(pattern, qos)] = (pattern, answer)
        return answer

    def ask_all(self, session: Session) -> None:
        """Ask for all on a new connection."""
        for pattern, qos in self.wanted.items():
            self.ask(session, pattern, qos)

    def answered(self, mid: int, problem: str | None) -> str | None:
        """Settle one; return what to tell people if the broker refused."""
        pattern, answer = self._asked.pop(mid, ("", None))
        if answer is None:
            return None
        if problem is None:
            self._granted.add(pattern)
            if not answer.done():
                answer.set_result(None)
            return None
        refusal = f"the broker refused the subscription to {pattern!r}: {problem}"
        self._log.error("mqtt_subscription_refused", filter=pattern, reason=problem)
        _fail(answer, ProtocolError(refusal))
        return refusal

    def ask_later(self, session: Session) -> None:
        """Ask once more for what was refused: a broker may refuse only for a while."""
        if self._again is None:
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(self._pause, self._ask_unheard, session)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _ask_unheard(self, session: Session) -> None:
        self._again = None
        for pattern in self.unheard:
            self.ask(session, pattern, self.wanted[pattern])

    def lost(self) -> None:
        """The connection broke: nothing that was asked on it will be answered."""
        if self._again is not None:
            self._again.cancel()
        self._again, self._pause = None, ASK_AGAIN
        self._granted.clear()
        for _, answer in self._asked.values():
            _fail(answer, UnreachableError("the connection broke"))
        self._asked.clear()


def _fail(answer: "asyncio.Future[None]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # perhaps nobody waits for it
