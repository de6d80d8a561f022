"""Frames through zenoh: no server, peers of each other or of zenoh routers."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from edgeflow.comms.brokers.base import Broker, Publisher, StatusBoard, Subscriber, Subscription
from edgeflow.comms.zenoh.board import ZenohBoard
from edgeflow.comms.zenoh.log import open_log
from edgeflow.comms.zenoh.members import Membership
from edgeflow.comms.zenoh.options import Options
from edgeflow.comms.zenoh.owner import Owner
from edgeflow.comms.zenoh.publisher import ZenohPublisher
from edgeflow.comms.zenoh.session import Session
from edgeflow.comms.zenoh.subscriber import ZenohSubscriber
from edgeflow.config import settings
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.errors import CommsError, ConfigError

__all__ = ["ZenohBroker"]

log = structlog.get_logger(__name__)

FAREWELL_SECONDS = 0.8
"""How long ``close`` waits for members to acknowledge what they have not."""


class ZenohBroker(Broker):
    """Publishers keep the frames themselves and hand them to members that ask for them.

    Args:
        connect: endpoints of routers or peers, as in ``tcp/10.0.0.7:7447``; by default
            ``EDGEFLOW_ZENOH_CONNECT``, else whoever is on this host.
        listen: endpoints to be reached at; by default ``EDGEFLOW_ZENOH_LISTEN``, else a free port
            of ``EDGEFLOW_BIND`` (loopback), which peers tell each other.
        spool: folder where DURABLE frames are kept until they are acknowledged, so that a killed
            publisher sends them when it is back; by default ``EDGEFLOW_ZENOH_SPOOL``, else none.
        mode: ``peer``, or ``client`` of a router that carries everything.
        multicast: look for peers by multicast.
        config: a configuration file of zenoh itself, for TLS, users and access rules; the above
            and the heartbeats are set on top of it.

    Raises:
        ConfigError: an endpoint or ``mode`` is wrong.
    """

    via = "zenoh"

    def __init__(
        self,
        connect: Sequence[str] | None = None,
        listen: Sequence[str] | None = None,
        *,
        spool: str | Path | None = None,
        mode: str = "peer",
        multicast: bool = False,
        config: str | Path | None = None,
    ) -> None:
        file = None if config is None else Path(config)
        self._options = Options(connect, listen, mode, multicast, file)
        self._options.check()
        self._spool = Path(spool) if spool is not None else None
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._owners: dict[str, Owner] = {}
        self._members: dict[str, Membership] = {}
        self._board: ZenohBoard | None = None
        self._closed = False

    @property
    def is_fixed(self) -> bool:
        """True when the code says where to connect or listen, and not the environment."""
        options = self._options
        return bool(options.connect or options.listen or options.config)

    @property
    def spool(self) -> Path | None:
        """Folder where DURABLE frames are kept."""
        return self._spool or settings.ZENOH_SPOOL

    @property
    def remembers(self) -> bool:  # type: ignore[override]  # depends on how it is set up
        """True when accepted DURABLE frames survive the death of their publisher."""
        return self.spool is not None

    @property
    def session(self) -> Session:
        """The session all parts share; not opened by asking for it."""
        with self._lock:
            if self._closed:
                raise ConfigError("this broker has been closed")
            if self._session is None:
                self._session = Session(self.app, self._options)
            return self._session

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> Publisher:
        """Return a publisher; what it leaves behind is delivered until the broker is closed."""
        session = self.session
        session.open()
        with self._lock:
            owner = self._owners.get(topic)
            if owner is None:
                kept = None if self.spool is None else open_log(self.spool, self.app, topic)
                owner = self._owners[topic] = Owner(session, topic, kept)
        return ZenohPublisher(owner, groups, codec)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> Subscriber:
        """Return a subscriber; it joins publishers as they appear."""
        return ZenohSubscriber(self.session, subscriptions)

    def topics(self) -> list[str]:
        """Return the topics that somebody publishes now."""
        self.session.open()
        return self.session.presence.topics()

    def check(self) -> str:
        """Start the session, to fail early, and return what it is."""
        info = self.session.open().info
        return f"zenoh {info.zid()}"

    def claim_member(self, group: str, expected: int, timeout: float) -> int | None:
        """Take a number among the live members of ``group``, until ``close``."""
        membership = self._members.setdefault(group, Membership(self.session, group))
        return membership.claim(expected, timeout)

    def board(self) -> StatusBoard:
        """Return the board, which every broker that reads it has a copy of."""
        if self._board is None:
            self._board = ZenohBoard(self)
        return self._board

    def clock_offsets(self) -> dict[str, ClockOffset]:
        """Return, per host, its monotonic clock minus ours, and the bound of the error."""
        return {} if self._session is None else self._session.clocks.hosts()

    def clock_offset_ns(self) -> int | None:
        """Return None: there is no clock that all share, only ``clock_offsets``."""
        return None

    def close(self) -> None:
        """Wait a moment for what is not acknowledged, if somebody is there; end the session."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            owners = list(self._owners.values())
        deadline = time.monotonic() + FAREWELL_SECONDS
        while any(owner.has_members for owner in owners) and time.monotonic() < deadline:
            time.sleep(0.01)
        for owner in owners:
            try:
                owner.close()
            except CommsError as error:
                log.warning("log_not_closed", topic=owner.topic, error=str(error))
        for membership in self._members.values():
            membership.close()
        if self._session is not None:
            self._session.close()
