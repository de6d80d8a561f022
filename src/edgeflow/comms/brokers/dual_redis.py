"""Streams on one server, payloads on another: control stays quick however large frames are."""

import os
from collections import deque
from collections.abc import Sequence
from typing import Any

from edgeflow.comms.brokers.base import Publisher, Subscriber, Subscription
from edgeflow.comms.brokers.redis import RedisBroker, server_address
from edgeflow.comms.redis.connection import Connection
from edgeflow.comms.redis.entry import Identity, entry_fields
from edgeflow.comms.redis.lane import Entry
from edgeflow.comms.redis.publisher import RedisPublisher
from edgeflow.comms.redis.resp import Buffer, checked, text
from edgeflow.comms.redis.server import Keys, PayloadsAwayError, Server
from edgeflow.comms.redis.subscriber import RedisSubscriber
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.errors import UnreachableError

__all__ = ["DualRedisBroker"]

PAYLOAD_SECONDS = 60.0
SPARE = 4
"""Superseded payloads kept for readers that are about to fetch them."""


class DualRedisBroker(RedisBroker):
    """Control on ``REDIS_HOST``, payloads on ``DATA_REDIS_HOST``.

    A payload lives until its entry is superseded or acknowledged by every DURABLE group, and,
    where no DURABLE group waits for it, at most ``payload_seconds``.

    Args:
        host, port, password, url: of the control server, as for ``RedisBroker``.
        data_host, data_port, data_url: of the payload server; ``settings.DATA_REDIS_HOST`` and
            ``settings.DATA_REDIS_PORT`` by default.
        payload_seconds: longest life of a payload that nobody must acknowledge.
    """

    via = "dual-redis"

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        data_host: str | None = None,
        data_port: int | None = None,
        *,
        password: str | None = None,
        url: str | None = None,
        data_url: str | None = None,
        payload_seconds: float = PAYLOAD_SECONDS,
    ) -> None:
        super().__init__(host, port, password=password, url=url)
        secret = password if password is not None else settings.REDIS_PASSWORD
        default = (settings.DATA_REDIS_HOST, settings.DATA_REDIS_PORT)
        self.data = Server(server_address(data_host, data_port, data_url, secret, default))
        self._life_ms = max(1, int(payload_seconds * 1000))

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> Publisher:
        """Return a publisher; it connects when it is first used."""
        return _DualPublisher(
            self.server, self.keys, topic, groups, codec, data=self.data, life_ms=self._life_ms
        )

    def subscriber(self, subscriptions: Sequence[Subscription]) -> Subscriber:
        """Return a subscriber; it joins its groups at the first ``receive``."""
        return _DualSubscriber(self.server, self.keys, subscriptions, data=self.data)

    def check(self) -> str:
        """Connect to both servers once, to fail early, and return what they are."""
        return f"{super().check()}, payloads on {self.data.about()}"

    def close(self) -> None:
        """Close the shared connections to both servers."""
        super().close()
        self.data.close()


class _DataLink:
    """A connection to the payload server that is opened when needed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None

    def exchange(self, *commands: Sequence[Any]) -> list[Any]:
        """Send commands and return their replies.

        Raises:
            PayloadsAwayError: the server is away; the next call connects again.
        """
        try:
            if self._connection is None:
                self._connection = self._server.connect()
            replies = [checked(reply) for reply in self._connection.exchange(*commands)]
        except UnreachableError as error:
            self.close()
            self._server.lost(error)
            raise PayloadsAwayError(error.message, hint=error.hint) from None
        self._server.found()
        return replies

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _DualPublisher(RedisPublisher):
    """An entry has the field ``k``, the name of the payload's key, in place of ``f``."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        topic: str,
        groups: Sequence[Subscription],
        codec: str,
        *,
        data: Server,
        life_ms: int,
    ) -> None:
        super().__init__(server, keys, topic, groups, codec)
        self._data = _DataLink(data)
        self._life_ms = life_ms
        self._run = os.urandom(4).hex()
        self._count = 0
        self._placed: tuple[Identity, str] | None = None
        self._superseded: deque[str] = deque()
        self._condemned: list[str] = []

    def place(self, frame: Frame, message: tuple[Buffer, ...]) -> Sequence[Any]:
        """Store the message on the payload server first, and remove what nobody needs."""
        identity = (frame.epoch, frame.sequence)
        if self._placed is None or self._placed[0] != identity:
            self._count += 1
            name = f"{frame.epoch}:{frame.sequence}:{self._run}{self._count}"
            self._placed = (identity, name)
        name = self._placed[1]
        key = self.keys.payload(self.topic, name)
        life = ("PX", self._life_ms) if self.bound else ()
        if self.bound:
            self._superseded.append(key)
            while len(self._superseded) > self.bound + SPARE:
                self._condemned.append(self._superseded.popleft())
        commands: list[Sequence[Any]] = [("SET", key, message, *life)]
        if self._condemned:
            commands.append(("UNLINK", *self._condemned))
        self._data.exchange(*commands)
        self._condemned.clear()
        return ("k", name)

    def releasing(self, below: str) -> None:
        """Condemn the payloads of the entries before ``below``, whoever published them."""
        entries = self.server.call("XRANGE", self.keys.stream(self.topic), "-", f"({below}")
        for _, flat in entries:
            name = entry_fields(flat).get(b"k")
            if name is not None:
                self._condemned.append(self.keys.payload(self.topic, text(name)))

    def accepted(self) -> None:
        """The next payload gets a name of its own."""
        self._placed = None

    def close(self) -> None:
        """Remove what nobody needs, and disconnect."""
        super().close()
        if self._condemned:
            try:
                self._data.exchange(("UNLINK", *self._condemned))
            except UnreachableError:
                self._condemned.clear()
        self._data.close()


class _DualSubscriber(RedisSubscriber):
    def __init__(
        self, server: Server, keys: Keys, subscriptions: Sequence[Subscription], *, data: Server
    ) -> None:
        super().__init__(server, keys, subscriptions)
        self._data = _DataLink(data)

    def load(self, entry: Entry) -> Any:
        """Fetch the message from the payload server; None when it has expired."""
        name = entry.fields.get(b"k")
        if name is None:
            return super().load(entry)
        return self._data.exchange(("GET", self.keys.payload(entry.wish.topic, text(name))))[0]

    def close(self) -> None:
        """Leave the groups and disconnect."""
        super().close()
        self._data.close()
