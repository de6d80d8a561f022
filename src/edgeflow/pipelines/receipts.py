"""Receipts: when everything that follows from a message is done, its connector is told, once.

A receipt is counted down by whoever has finished with the message: a pipeline, an agent, an
action. One that is thrown away uncounted (a full queue has dropped its frame) counts as given up
when nothing refers to it any more, unless the flow is ending: then the message stays
unacknowledged and its sender delivers it again.
"""

import threading
from collections.abc import Callable

from edgeflow.pipelines.message import EdgeMessage

__all__ = ["Receipt", "Receipts"]


class Receipt:
    """What is still to be done about one message. Any thread may call it.

    Args:
        message: whose it is.
        told: called once, when it is over.
        count: parts there are at first.
        live: asked when it is thrown away: whether that counts as given up.
    """

    __slots__ = ("__weakref__", "_count", "_live", "_lock", "_told", "message")

    def __init__(
        self,
        message: EdgeMessage,
        told: Callable[[EdgeMessage], None],
        count: int,
        live: Callable[[], bool],
    ) -> None:
        self.message = message
        self._told: Callable[[EdgeMessage], None] | None = told
        self._count = count
        self._live = live
        self._lock = threading.Lock()

    def add(self, parts: int) -> None:
        """Expect ``parts`` more; the caller has not counted its own part down yet."""
        with self._lock:
            self._count += parts

    def done(self) -> None:
        """One part is done or given up."""
        with self._lock:
            self._count -= 1
            if self._count > 0 or self._told is None:
                return
            told, self._told = self._told, None
        told(self.message)

    def __del__(self) -> None:
        told, self._told = self._told, None
        if told is not None and self._live():
            told(self.message)


class Receipts:
    """The receipts of one connector.

    Args:
        told: called with each message that is over, once; from any thread, so it must not block.
        live: False once the flow ends.

    Attributes:
        open: messages that are not over.
    """

    def __init__(self, told: Callable[[EdgeMessage], None], live: Callable[[], bool]) -> None:
        self._told = told
        self._live = live
        self._over = threading.Condition(threading.RLock())  # a finaliser may run in its holder
        self.open = 0

    def issue(self, message: EdgeMessage, parts: int) -> Receipt:
        """Return the receipt of a message that goes ``parts`` ways."""
        with self._over:
            self.open += 1
        return Receipt(message, self._finish, parts, self._live)

    def wait(self, timeout: float) -> bool:
        """Wait until every message is over; return whether that came."""
        with self._over:
            return self._over.wait_for(lambda: self.open <= 0, timeout)

    def _finish(self, message: EdgeMessage) -> None:
        with self._over:
            self.open -= 1
            if self.open <= 0:
                self._over.notify_all()
        self._told(message)
