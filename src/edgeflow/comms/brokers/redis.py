"""Frames through Redis (6.2 or later) or Valkey streams, between any hosts."""

from collections.abc import Sequence
from typing import Any

from edgeflow.comms.brokers.base import (
    SHARED_CLOCK,
    Broker,
    Publisher,
    StatusBoard,
    Subscriber,
    Subscription,
)
from edgeflow.comms.redis.connection import Address
from edgeflow.comms.redis.members import Membership
from edgeflow.comms.redis.publisher import RedisPublisher
from edgeflow.comms.redis.resp import text
from edgeflow.comms.redis.server import Keys, Server
from edgeflow.comms.redis.subscriber import RedisSubscriber
from edgeflow.config import settings
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.errors import ConfigError, UnreachableError

__all__ = ["RedisBroker"]

REPORT_SECONDS = 5.0


class RedisBroker(Broker):
    """One stream per topic on one server, all keys under ``edgeflow:APP:``; nothing is flushed.

    Args:
        host: of the server; ``settings.REDIS_HOST`` by default.
        port: of the server; ``settings.REDIS_PORT`` by default.
        password: ``settings.REDIS_PASSWORD`` by default.
        url: instead of host and port: ``redis://``, ``rediss://`` (TLS) or ``unix://``.

    Raises:
        ConfigError: ``url`` is given beside ``host`` or ``port``, or is no address.
    """

    via = "redis"
    remembers = True

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        password: str | None = None,
        url: str | None = None,
    ) -> None:
        secret = password if password is not None else settings.REDIS_PASSWORD
        default = (settings.REDIS_HOST, settings.REDIS_PORT)
        self.server = Server(server_address(host, port, url, secret, default))
        self._members: dict[str, Membership] = {}

    @property
    def keys(self) -> Keys:
        """Names of the keys of this app."""
        return Keys(self.app)

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> Publisher:
        """Return a publisher; it connects when it is first used."""
        return RedisPublisher(self.server, self.keys, topic, groups, codec)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> Subscriber:
        """Return a subscriber; it joins its groups at the first ``receive``."""
        return RedisSubscriber(self.server, self.keys, subscriptions)

    def topics(self, app: str | None = None) -> list[str]:
        """Return the topics that ``app`` (default: this broker's) ever published.

        Raises:
            UnreachableError: the server is away.
        """
        keys = self.keys if app is None else Keys(app)
        return sorted(text(name) for name in self.server.call("SMEMBERS", keys.topics))

    def check(self) -> str:
        """Connect once, to fail early, and return what the server is, as in ``valkey 9.1.2``.

        Raises:
            UnreachableError: the server is away.
            ConfigError: it does not let us in, is too old, or is no Redis.
        """
        return self.server.about()

    def claim_member(self, group: str, expected: int, timeout: float) -> int | None:
        """Take a number among the live members of ``group``, until ``close``."""
        prefix = f"{self.keys.prefix}member:{group}:"
        membership = self._members.setdefault(group, Membership(self.server, prefix))
        return membership.claim(expected, timeout)

    def clock_offset_ns(self) -> int:
        """Return the server's clock minus this host's CLOCK_MONOTONIC, in ns.

        Two hosts compare their monotonic stamps by the difference of their offsets. The error is
        at most half the quickest round trip.

        Raises:
            UnreachableError: the server is away.
        """
        return self.server.clock_offset().offset_ns

    def clock_offsets(self) -> dict[str, ClockOffset]:
        """Return the server's clock minus ours.

        Raises:
            UnreachableError: the server is away.
        """
        return {SHARED_CLOCK: self.server.clock_offset()}

    def forget(self, topic: str, group: str) -> None:
        """Remove a group for good, with the frames only it still waits for.

        Raises:
            UnreachableError: the server is away.
        """
        keys = self.keys
        self.server.exchange(
            ("XGROUP", "DESTROY", keys.stream(topic), group),
            ("SREM", keys.declared(topic), group),
            ("HDEL", keys.groups(topic), group),
            ("HINCRBY", keys.groups(topic), "#", 1),
        )

    def board(self) -> StatusBoard:
        """Return the board on the server."""
        return _RedisBoard(self.server, self.keys)

    def close(self) -> None:
        """Give back numbers and close the connection that all share."""
        for membership in self._members.values():
            membership.close()
        self._members.clear()
        self.server.close()


def server_address(
    host: str | None,
    port: int | None,
    url: str | None,
    password: str | None,
    default: tuple[str, int],
) -> Address:
    """Return the address that the arguments of a broker mean."""
    if url is not None:
        if host is not None or port is not None:
            raise ConfigError("give host and port, or url, not both")
        return Address.parse(url, password)
    if host is not None and "://" in host:
        return Address.parse(host, password)
    return Address(host or default[0], default[1] if port is None else port, password=password)


class _RedisBoard(StatusBoard):
    """A key with expiry per member, and a set of the members."""

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server, self._keys = server, keys

    def post(self, member: str, report: bytes) -> None:
        if not self._server.is_back():
            return
        life = int(REPORT_SECONDS * 1000)
        self._send(
            ("SET", self._keys.report(member), (report,), "PX", life),
            ("SADD", self._keys.board, member),
        )

    def read(self, prefix: str = "") -> dict[str, bytes]:
        listed = self._send(("SMEMBERS", self._keys.board))
        names = sorted(text(name) for name in (listed[0] if listed else []))
        members = [name for name in names if name.startswith(prefix)]
        if not members:
            return {}
        reports = self._send(("MGET", *[self._keys.report(member) for member in members]))
        pairs = list(zip(members, reports[0], strict=True)) if reports else []
        gone = [member for member, report in pairs if report is None]
        if gone:
            self._send(("SREM", self._keys.board, *gone))
        return {member: bytes(report) for member, report in pairs if report is not None}

    def _send(self, *commands: Sequence[Any]) -> list[Any]:
        try:
            return self._server.exchange(*commands)
        except UnreachableError:
            return []
