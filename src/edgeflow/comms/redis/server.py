"""A Redis or Valkey server as the brokers see it: names of keys, outages, a shared connection."""

import contextlib
import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import Subscription
from edgeflow.comms.redis.connection import Address, Connection, CutOffError
from edgeflow.comms.redis.resp import ReplyError, checked, text
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, UnreachableError

__all__ = [
    "Keys",
    "PayloadsAwayError",
    "Server",
    "Wish",
    "group_infos",
    "read_wishes",
]

log = structlog.get_logger(__name__)

MINIMUM_VERSION = (6, 2)
"""First version with ``XADD MINID`` and ``XGROUP CREATECONSUMER``."""

CONTROL_SECONDS = 1.0
"""How long the shared connection waits for an answer; what it carries is small."""

Wish = tuple[QoS, int]
"""Policy and capacity of a group."""

VERSION_FIELD = b"#"
"""Field of the register of groups that changes whenever the register does."""


class PayloadsAwayError(UnreachableError):
    """The server that keeps the payloads is away; the one with the streams is not concerned."""


class Keys:
    """Names of everything one app keeps on a server, all under ``edgeflow:APP:``."""

    def __init__(self, app: str) -> None:
        self.prefix = f"edgeflow:{app}:"
        self.topics = f"{self.prefix}topics"
        self.board = f"{self.prefix}board"

    def stream(self, topic: str) -> str:
        """Stream that holds the entries of a topic."""
        return f"{self.prefix}stream:{topic}"

    def groups(self, topic: str) -> str:
        """Hash of the groups that want a topic: name to policy and capacity."""
        return f"{self.prefix}groups:{topic}"

    def declared(self, topic: str) -> str:
        """Set of the groups that a publisher has declared."""
        return f"{self.prefix}declared:{topic}"

    def alive(self, group: str, member: str) -> str:
        """Key that expires when a member of a DURABLE group is dead."""
        return f"{self.prefix}alive:{group}:{member}"

    def payload(self, topic: str, name: str) -> str:
        """Payload of one frame, on a server of its own."""
        return f"{self.prefix}data:{topic}:{name}"

    def report(self, member: str) -> str:
        """Report of one member on the status board."""
        return f"{self.prefix}board:{member}"


def wish_text(wish: Subscription) -> str:
    """Return a group's entry in the register."""
    return f"{wish.qos} {max(1, wish.capacity)}"


def read_wishes(flat: Sequence[Any]) -> dict[str, Wish]:
    """Return the register of groups from the reply to HGETALL."""
    wishes: dict[str, Wish] = {}
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        if bytes(name) != VERSION_FIELD:
            with contextlib.suppress(ValueError):
                qos, _, capacity = text(value).partition(" ")
                wishes[text(name)] = (QoS(qos), max(1, int(capacity)))
    return wishes


def group_infos(reply: Any) -> dict[str, dict[str, Any]]:
    """Return the reply to XINFO GROUPS (or CONSUMERS) by name; empty when there is no stream."""
    if isinstance(reply, ReplyError):
        return {}
    rows = [
        {text(row[i]): row[i + 1] for i in range(0, len(row), 2)} for row in (checked(reply) or [])
    ]
    return {text(row["name"]): row for row in rows}


class Server:
    """One server: how to connect, whether it is away, and a connection that threads share."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._outage_lock = threading.Lock()
        self._shared: Connection | None = None
        self._away_since: float | None = None
        self._checked = False

    def connect(self, timeout: float = 1.0) -> Connection:
        """Return a connection of one's own; ``found`` is to be told when it has been of use.

        Raises:
            UnreachableError: the server is away.
            ConfigError: it does not let us in, or is too old.
        """
        try:
            connection = Connection(self.address, min(1.0, max(0.25, timeout)))
            if not self._checked:
                self._check_version(connection)
                self._checked = True
        except UnreachableError as error:
            self.lost(error)
            raise
        return connection

    def _check_version(self, connection: Connection) -> None:
        found = _server_info(connection.call("INFO", "server")).get("redis_version", "")
        with contextlib.suppress(ValueError):
            if tuple(int(part) for part in found.split(".")[:2]) < MINIMUM_VERSION:
                connection.close()
                raise ConfigError(
                    f"the server at {self.address} has version {found}",
                    hint="use Redis 6.2 or later, or Valkey",
                )

    def about(self) -> str:
        """Return what it is, as in ``valkey 9.1.2``; a server that is away is no outage yet."""
        with contextlib.closing(self.connect()) as connection:
            connection.limit(CONTROL_SECONDS)
            info = _server_info(connection.call("INFO", "server"))
        kind = "valkey" if "valkey_version" in info else "redis"
        return f"{kind} {info.get(f'{kind}_version', '?')}"

    def exchange(self, *commands: Sequence[Any]) -> list[Any]:
        """Send commands on the shared connection; callable from any thread.

        Raises:
            UnreachableError: the server is away.
        """
        with self._lock:
            connection, self._shared = self._shared, None
            try:
                if connection is not None:
                    # It may have been cut off while it was idle; silence is no reason to repeat.
                    with contextlib.suppress(CutOffError):
                        return self._exchange_on(connection, commands)
                connection = self.connect()
                connection.limit(CONTROL_SECONDS)
                return self._exchange_on(connection, commands)
            except UnreachableError as error:
                self.lost(error)
                raise

    def _exchange_on(self, connection: Connection, commands: Sequence[Sequence[Any]]) -> list[Any]:
        replies = connection.exchange(*commands)
        self._shared = connection
        if not any(isinstance(reply, ReplyError) for reply in replies):
            self.found()
        return replies

    def call(self, *command: Any) -> Any:
        """Send one command on the shared connection; raise when it is refused."""
        return checked(self.exchange(command)[0])

    def clock_offset(self, samples: int = 7) -> ClockOffset:
        """Return server time minus our CLOCK_MONOTONIC, from the quickest of some samples."""
        best, offset = 1 << 62, 0
        for _ in range(samples):
            before = time.monotonic_ns()
            seconds, micros = self.call("TIME")
            after = time.monotonic_ns()
            if after - before < best:
                best = after - before
                server = int(seconds) * 1_000_000_000 + int(micros) * 1000
                offset = server - (before + after) // 2
        return ClockOffset(offset, best // 2 + 1000)

    @property
    def is_away(self) -> bool:
        """True between the loss of a connection and the next success."""
        return self._away_since is not None

    def is_back(self) -> bool:
        """Return whether the server is there; one that was away is asked."""
        if self.is_away:
            try:
                self.call("PING")
            except UnreachableError:
                return False
        return True

    def lost(self, error: Exception) -> None:
        """Note that the server is away; logged once per outage."""
        with self._outage_lock:
            if self._away_since is not None:
                return
            self._away_since = time.monotonic()
        log.warning("server_lost", address=str(self.address), error=str(error))

    def found(self) -> None:
        """Note that the server does what it is asked; logged at the end of an outage."""
        with self._outage_lock:
            since, self._away_since = self._away_since, None
        if since is not None:
            seconds = round(time.monotonic() - since, 2)
            log.info("server_found", address=str(self.address), after_seconds=seconds)

    def close(self) -> None:
        """Close the shared connection; it is opened again when it is used again."""
        with self._lock:
            connection, self._shared = self._shared, None
        if connection is not None:
            connection.close()


def _server_info(reply: Any) -> dict[str, str]:
    """Return the fields of the reply to INFO."""
    pairs = [line.partition(":") for line in text(reply).splitlines()]
    return {name: value for name, colon, value in pairs if colon}
