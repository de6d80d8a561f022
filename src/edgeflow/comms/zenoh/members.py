"""Numbers of replicas, agreed on without a server: a token per number, the smaller peer id wins."""

import time
from typing import Any

from edgeflow.comms.zenoh.session import Session

__all__ = ["Membership"]

PATIENCE_SECONDS = 2.0
SETTLE_SECONDS = 0.15
RETRY_SECONDS = 0.05
MAX_MEMBERS = 1000


class Membership:
    """Holds the lowest free number of a group until it is closed."""

    def __init__(self, session: Session, group: str) -> None:
        self.number: int | None = None
        self._session, self._group = session, group
        self._token: Any = None

    def claim(self, expected: int, timeout: float) -> int | None:
        """Take a number, below ``expected`` if one comes free in time, else above.

        Peers that have not met yet may take the same number; so the first claim of a session
        waits a moment for others to appear.
        """
        if self.number is not None:
            return self.number
        self._session.open()
        self._session.settle(min(timeout, PATIENCE_SECONDS / 4))
        begun = time.monotonic()
        while self.number is None:
            patient = time.monotonic() - begun < PATIENCE_SECONDS
            limit = expected if patient else MAX_MEMBERS
            taken = self._session.presence.numbers(self._group)
            free = next((number for number in range(limit) if number not in taken), None)
            if free is None or not self._take(free):
                time.sleep(RETRY_SECONDS)
        return self.number

    def _take(self, number: int) -> bool:
        key = self._session.keys.member(self._group, number, self._session.peer)
        token = self._session.declare(key)
        time.sleep(SETTLE_SECONDS)
        if min(self._session.presence.numbers(self._group).get(number, ())) != self._session.peer:
            token.undeclare()
            return False
        self._token, self.number = token, number
        return True

    def close(self) -> None:
        """Give the number back. Idempotent."""
        token, self._token = self._token, None
        if token is not None:
            token.undeclare()
