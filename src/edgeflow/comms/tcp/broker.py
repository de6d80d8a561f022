"""Direct links to the gateway node."""

import threading
from collections.abc import Sequence

from edgeflow.comms.brokers.base import Broker, Subscription
from edgeflow.comms.tcp.receiver import TcpSubscriber
from edgeflow.comms.tcp.sender import TcpPublisher, TcpSender
from edgeflow.config import settings

__all__ = ["TcpBroker"]


class TcpBroker(Broker):
    """Direct links to the one gateway node of an app.

    Args:
        host, port: where the gateway listens; default ``GATEWAY_HOST``, ``GATEWAY_TCP_PORT``.
        bind: address the gateway binds; default ``EDGEFLOW_BIND`` (loopback).
    """

    via = "tcp"

    def __init__(
        self, host: str | None = None, port: int | None = None, bind: str | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._bind = bind
        self._lock = threading.Lock()
        self._sender: TcpSender | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        port = settings.GATEWAY_TCP_PORT if self._port is None else self._port
        return self._host or settings.GATEWAY_HOST, port

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> TcpPublisher:
        """Return a publisher; all of this process share one connection."""
        with self._lock:
            if self._sender is None:
                self._sender = TcpSender(self.address)
        return TcpPublisher(self._sender, topic, groups, codec)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> TcpSubscriber:
        """Listen for frames; there can be one listener per port."""
        bind = self._bind or settings.BIND_HOST
        return TcpSubscriber((bind, self.address[1]), subscriptions)

    def clock_offset_ns(self) -> int | None:
        """Return what to add to this host's monotonic clock to get the gateway's."""
        with self._lock:
            return self._sender.offset_ns if self._sender is not None else 0

    def close(self) -> None:
        """Close the connection."""
        if self._sender is not None:
            self._sender.close()
