"""Numbers of replicas, agreed on without a server.

A member lays claim to a number with a token, waits a moment, and holds it unless somebody else
holds it already or, of those who claim it, has a smaller peer id.
"""

import time
from typing import Any

from edgeflow.comms.zenoh.session import Session

__all__ = ["Membership"]

PATIENCE_SECONDS = 2.0
SETTLE_SECONDS = 0.3
ALONE_SECONDS = 3.0
RETRY_SECONDS = 0.05
MAX_MEMBERS = 1000
CLAIM, HELD = "claim", "held"


class Membership:
    """Holds the lowest free number of a group until it is closed."""

    def __init__(self, session: Session, group: str) -> None:
        self.number: int | None = None
        self._session, self._group = session, group
        self._token: Any = None

    def claim(self, expected: int, timeout: float) -> int | None:
        """Take a number, below ``expected`` if one comes free in time, else above.

        Peers that have not met yet may take the same number; so where others are expected, a
        claim waits some seconds for one to appear.

        Returns:
            The number, or None when nobody has appeared yet.
        """
        if self.number is not None:
            return self.number
        self._session.open()
        if expected > 1:
            if not self._session.has_company(timeout, ALONE_SECONDS):
                return None
            time.sleep(SETTLE_SECONDS)
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
        session, keys = self._session, self._session.keys
        claim = session.declare(keys.member(self._group, number, CLAIM, session.peer))
        time.sleep(SETTLE_SECONDS)
        holders = session.presence.numbers(self._group).get(number, set())
        if all(stage == CLAIM and session.peer <= peer for stage, peer in holders):
            self._token = session.declare(keys.member(self._group, number, HELD, session.peer))
            self.number = number
        claim.undeclare()
        return self.number is not None

    def close(self) -> None:
        """Give the number back. Idempotent."""
        token, self._token = self._token, None
        if token is not None:
            token.undeclare()
