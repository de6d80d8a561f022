"""Direct links: to the gateway at its port, to members of other nodes where they say they are."""

import threading
from collections.abc import Collection, Sequence

from edgeflow.comms.brokers.base import (
    Broker,
    StatusBoard,
    Subscription,
)
from edgeflow.comms.tcp.directory import Address, Directory, own_host
from edgeflow.comms.tcp.receiver import TcpSubscriber
from edgeflow.comms.tcp.sender import TcpPublisher, TcpSender, end_all
from edgeflow.config import settings
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError

__all__ = ["TcpBroker"]

GATEWAY_CLOCK = "@gateway"
"""Stands for the clock of whoever listens at the port of the gateway, among the names of hosts."""


class TcpBroker(Broker):
    """Links without anything between the two ends. REALTIME and BALANCED only.

    Args:
        host, port: where the gateway listens; default ``GATEWAY_HOST``, ``GATEWAY_TCP_PORT``.
        bind: address that receivers bind; default ``EDGEFLOW_BIND`` (loopback).
        board: where receivers other than the gateway tell their address, and senders look for it;
            None when every link leads to the gateway.
        gateways: names of the gateway nodes, the only groups that listen at ``port``; None for all.
    """

    via = "tcp"

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        bind: str | None = None,
        *,
        board: StatusBoard | None = None,
        gateways: Collection[str] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._bind = bind
        self._gateways = gateways
        self._directory = None if board is None else Directory(board, self._part_with_the_gone)
        self._lock = threading.Lock()
        self._senders: dict[Address, TcpSender] = {}
        self._ending: list[TcpSender] = []
        self._listens = self._closed = False

    @property
    def address(self) -> Address:
        """Host and port of the gateway."""
        port = settings.GATEWAY_TCP_PORT if self._port is None else self._port
        return self._host or settings.GATEWAY_HOST, port

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> TcpPublisher:
        """Return a publisher; all of this process share one connection per receiver.

        Raises:
            ConfigError: a DURABLE group is to be reached that is not a gateway's.
        """
        for wish in groups:
            self._check(wish)
        return TcpPublisher(self.senders_of, topic, groups, codec)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> TcpSubscriber:
        """Listen for frames; a gateway at its port, of which there can be one.

        Raises:
            ConfigError: the port is taken, or a DURABLE link leads to another node.
        """
        bind = self._bind or settings.BIND_HOST
        first = subscriptions[0] if subscriptions else None
        if first is None or self._is_gateway(first.group):
            self._listens = True
            return TcpSubscriber((bind, self.address[1]), subscriptions)
        for wish in subscriptions:
            self._check(wish)
        directory = self._directory
        assert directory is not None  # noqa: S101 - _is_gateway says so
        subscriber = TcpSubscriber((bind, 0), subscriptions, closed=directory.withdraw)
        subscriber.address = (own_host(bind), subscriber.port)
        directory.advertise(first.group, first.member, subscriber.address)
        return subscriber

    def senders_of(self, group: str) -> list[TcpSender]:
        """Return a sender per member of ``group`` that is known now; none after ``close``."""
        directory = self._directory
        if directory is None or self._is_gateway(group):
            addresses: Sequence[Address] = [self.address]
        else:
            addresses = directory.members(group)
        with self._lock:
            return [] if self._closed else [self._sender(address) for address in addresses]

    def clock_offsets(self) -> dict[str, ClockOffset]:
        """Return the gateway's clock minus ours, once it has answered."""
        if self._listens:
            return {GATEWAY_CLOCK: ClockOffset(0, 0)}
        with self._lock:
            sender = self._senders.get(self.address)
        found = None if sender is None else sender.clock_offset()
        return {} if found is None else {GATEWAY_CLOCK: found}

    def clock_offset_ns(self) -> int | None:
        """Return what to add to this host's monotonic clock to get the gateway's."""
        with self._lock:
            sender = self._senders.get(self.address)
        return sender.offset_ns if sender is not None else 0

    def close(self) -> None:
        """Close the connections. Idempotent."""
        with self._lock:
            self._closed = True
            senders = [*self._senders.values(), *self._ending]
        if self._directory is not None:
            self._directory.close()
        end_all(senders)

    def _is_gateway(self, group: str) -> bool:
        return self._directory is None or self._gateways is None or group in self._gateways

    def _check(self, wish: Subscription) -> None:
        if wish.qos is QoS.DURABLE and not self._is_gateway(wish.group):
            raise ConfigError(
                f"the link {wish.topic!r} -> {wish.group!r} is durable and via tcp",
                hint="tcp keeps no account of frames: leave via out, or take another qos",
            )

    def _part_with_the_gone(self) -> None:
        """End connections to members that have left; cut those that have not ended since."""
        directory = self._directory
        with self._lock:
            if directory is None or self._closed:
                return
            for sender in self._ending:
                sender.cut()
            self._ending = [sender for sender in self._ending if not sender.join(0.0)]
            gone = [a for a in self._senders if a != self.address and not directory.is_known(a)]
            for address in gone:
                self._end(self._senders.pop(address))

    def _end(self, sender: TcpSender) -> None:
        """Let go of a sender, whose thread is still to be joined; the lock is held."""
        sender.end()
        self._ending.append(sender)

    def _sender(self, address: Address) -> TcpSender:
        """Return the sender to an address; the lock is held."""
        sender = self._senders.get(address)
        if sender is None:
            sender = self._senders[address] = TcpSender(address)
        return sender
