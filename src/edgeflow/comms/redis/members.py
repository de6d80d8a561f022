"""Numbers for the members of a group: each live process holds one, a restarted one gets it back.

A member's number is its name in the consumer group. A process that comes back under the number of
its predecessor finds the frames that one left unacknowledged, first and in order.
"""

import threading
import time
import uuid

import structlog

from edgeflow.comms.redis.server import Server
from edgeflow.errors import UnreachableError

__all__ = ["Membership"]

LEASE_SECONDS = 1.5
RENEW_SECONDS = 0.4
RETRY_SECONDS = 0.05
MAX_MEMBERS = 1000

# Renews or gives back a number, if it is still ours.
_RENEW = "return redis.call('GET',KEYS[1])==ARGV[1] and redis.call('PEXPIRE',KEYS[1],ARGV[2]) or 0"
_RELEASE = "return redis.call('GET',KEYS[1])==ARGV[1] and redis.call('DEL',KEYS[1]) or 0"

log = structlog.get_logger(__name__)


class Membership:
    """Holds the lowest free number of a group until it is closed.

    Args:
        server: where the numbers are kept.
        prefix: beginning of the keys, one per number.
    """

    def __init__(self, server: Server, prefix: str) -> None:
        self.number: int | None = None
        self._server = server
        self._prefix = prefix
        self._holder = uuid.uuid4().hex
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def claim(self, expected: int, timeout: float) -> int | None:
        """Take a number, below ``expected`` if one comes free within a lease, else above.

        Args:
            expected: members that the group should have.
            timeout: seconds after which to give up when the server is away.

        Returns:
            The number, or None when the server did not answer in time.
        """
        if self.number is not None:
            return self.number
        begun = time.monotonic()
        while True:
            patience = time.monotonic() - begun < LEASE_SECONDS + RENEW_SECONDS
            try:
                self.number = self._try(expected if patience else MAX_MEMBERS)
            except UnreachableError:
                if time.monotonic() - begun > timeout:
                    return None
            if self.number is not None:
                break
            time.sleep(RETRY_SECONDS)
        self._thread = threading.Thread(target=self._renew, name="edgeflow-member", daemon=True)
        self._thread.start()
        return self.number

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number}"

    def _try(self, limit: int) -> int | None:
        lease = int(LEASE_SECONDS * 1000)
        for number in range(limit):
            if self._server.call("SET", self._key(number), self._holder, "NX", "PX", lease):
                return number
        return None

    def _renew(self) -> None:
        assert self.number is not None  # noqa: S101 - the thread starts with a number
        key, lease = self._key(self.number), int(LEASE_SECONDS * 1000)
        while not self._closing.wait(RENEW_SECONDS):
            try:
                if self._server.call("EVAL", _RENEW, 1, key, self._holder, lease):
                    continue
                # It ran out during an outage; take it back unless somebody else has it.
                if not self._server.call("SET", key, self._holder, "NX", "PX", lease):
                    log.warning("member_number_taken", key=key, hint="two processes share it")
            except UnreachableError:
                continue

    def close(self) -> None:
        """Give the number back. Idempotent."""
        self._closing.set()
        if self._thread is None:
            return
        self._thread.join(timeout=2.0)
        self._thread = None
        if self.number is not None and not self._server.is_away:
            try:
                self._server.call("EVAL", _RELEASE, 1, self._key(self.number), self._holder)
            except UnreachableError:
                log.debug("member_number_kept", number=self.number)
