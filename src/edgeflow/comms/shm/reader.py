"""``ShmSubscriber``: finds the publishers of its topics and takes frames from their memory."""

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import structlog

from edgeflow.comms.brokers.base import (
    MAX_ATTEMPTS,
    Delivery,
    LinkCounters,
    Subscriber,
    Subscription,
)
from edgeflow.comms.shm import packets, places
from edgeflow.comms.shm.connections import Connection, Parcel
from edgeflow.errors import FrameDecodeError
from edgeflow.protocols.frames import decode

__all__ = ["ShmSubscriber"]

log = structlog.get_logger(__name__)

SEARCH_INTERVAL = 0.05
"""Seconds between looks for a publisher while a topic has none."""

RESCAN_INTERVAL = 0.5
"""Seconds between looks for further publishers."""

RETRY_INTERVAL = 1.0
"""Seconds between two connections to one socket: its publisher may turn us away each time."""

MAX_PUBLISHERS = 256
_FAST_STREAK = 32
_FAST_INTERVAL = 0.0002
_SPIN_SECONDS = 0.0001
_PREFETCH = 32
_SHORT_WAIT = 0.005
_ANSWER_MS = 5


class ShmSubscriber(Subscriber):
    """Receives the frames of several topics for one member of a group.

    Args:
        subscriptions: what to receive, with the folder where each topic's sockets are.
    """

    def __init__(self, subscriptions: Sequence[tuple[Subscription, Path]]) -> None:
        self.links = {wish.topic: LinkCounters() for wish, _ in subscriptions}
        self._wishes = list(subscriptions)
        self._connections: dict[int, Connection] = {}
        self._parcels: deque[Parcel] = deque()
        self._readable: deque[Connection] = deque()
        self._buffer = bytearray(packets.READER_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._calls = 0
        self._next_scan = 0.0
        self._tried: dict[tuple[str, str], float] = {}
        self._streak = 0
        self._last_call = 0.0
        self._closed = False
        self._epoll = select.epoll()
        self._wake_lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._scan(time.monotonic())

    def receive(self, timeout: float) -> Delivery | None:
        """Return the next frame of any topic; see ``Subscriber.receive``."""
        if self._closed:
            return None
        self._calls += 1
        now = time.monotonic()
        deadline = now + timeout
        self._streak = self._streak + 1 if now - self._last_call < _FAST_INTERVAL else 0
        self._last_call = now
        while True:
            if now >= self._next_scan:
                self._scan(now)
            delivery = self._take()
            if delivery is not None:
                return delivery
            woken = self._wait(max(0.0, min(deadline, self._next_scan) - now))
            now = time.monotonic()
            if woken or (now >= deadline and not self._readable):
                break
        if timeout > _SHORT_WAIT:
            self._withdraw()
        return None

    def ack(self, delivery: Delivery) -> None:
        """Tell the publisher that a DURABLE frame was processed."""
        parcel = self._settle(delivery)
        if parcel is not None:
            parcel.connection.acknowledge(parcel.head.number, later=self._is_fast)

    def nack(self, delivery: Delivery) -> None:
        """Give a DURABLE frame back, and with it those that would overtake it."""
        parcel: Parcel | None = delivery.token
        delivery.token = None
        if parcel is None:
            return
        connection = parcel.connection
        if connection.hung_up:
            self._keep(parcel)
            return
        self._parcels = deque(p for p in self._parcels if p.connection is not connection)
        connection.refuse(parcel.head.number)

    def wake(self) -> None:
        """Make a blocked ``receive`` return soon."""
        with self._wake_lock:
            if not self._closed:
                os.eventfd_write(self._wake, 1)

    def refresh(self) -> None:
        """Bring ``depth`` of each link up to date: frames fetched and not handed out yet."""
        waiting = [parcel.connection.subscription.topic for parcel in list(self._parcels)]
        for topic, counters in self.links.items():
            counters.depth = waiting.count(topic)

    def close(self) -> None:
        """Leave the group. Arrays that are still in use stay valid."""
        with self._wake_lock:
            if self._closed:
                return
            self._closed = True
            os.close(self._wake)
        self._epoll.close()
        self._parcels.clear()
        self._readable.clear()
        for connection in self._connections.values():
            connection.leave()
        self._connections.clear()

    def _keep(self, parcel: Parcel) -> None:
        """Deliver a refused frame again whose publisher has left: nobody else has it."""
        head = parcel.head
        if head.attempt < MAX_ATTEMPTS:
            parcel.head = head._replace(attempt=head.attempt + 1)
            self._parcels.appendleft(parcel)
            return
        topic = parcel.connection.subscription.topic
        self.links[topic].dropped += 1
        log.error("frame_given_up", topic=topic, sequence=head.sequence, attempts=head.attempt)

    def _settle(self, delivery: Delivery) -> Parcel | None:
        parcel: Parcel | None = delivery.token
        delivery.token = None
        return parcel if parcel is not None and parcel.connection.alive else None

    # taking frames

    def _take(self) -> Delivery | None:
        """Return a frame that is there already; ask for what is wanted."""
        while True:
            if not self._parcels:
                self._ask()
                self._fetch()
            if not self._parcels:
                return None
            parcel = self._freshen(self._parcels.popleft())
            delivery = self._open(parcel) if parcel is not None else None
            if delivery is not None:
                return delivery

    def _freshen(self, parcel: Parcel) -> Parcel | None:
        """Exchange a REALTIME frame that came for an earlier call for the newest one.

        The answer is waited for, briefly: it is this topic's turn.
        """
        connection = parcel.connection
        if not connection.realtime or connection.asked_in == self._calls:
            return parcel
        if not connection.is_stale(parcel):
            return parcel
        connection.discard(parcel)
        self.links[connection.subscription.topic].dropped += 1
        connection.ask(self._calls)
        answer = select.poll()
        answer.register(connection.descriptor, select.POLLIN)
        return self._read(connection) if answer.poll(_ANSWER_MS) else None

    def _ask(self) -> None:
        for connection in self._connections.values():
            if not (connection.durable or connection.asked):
                connection.ask(self._calls)

    def _fetch(self) -> None:
        """Read from sockets that have something, one frame at a time unless DURABLE and fast."""
        readable, parcels, several = self._readable, self._parcels, self._is_fast
        while readable and not parcels:
            connection = readable.popleft()
            while len(parcels) < _PREFETCH:
                parcel = self._read(connection)
                if parcel is None:
                    break
                parcels.append(parcel)
                if not (connection.durable and several):
                    break

    def _read(self, connection: Connection) -> Parcel | None:
        try:
            return connection.read(self._buffer, self._view)
        except EOFError:
            self._lose(connection)
        except (FrameDecodeError, OSError) as error:
            self._lose(connection, str(error))
        return None

    def _open(self, parcel: Parcel) -> Delivery | None:
        connection, head = parcel.connection, parcel.head
        subscription = connection.subscription
        again = head.attempt > 1
        if again:
            connection.flush()  # so that a crash is blamed on this frame, not on one before
        try:
            message, copy = connection.open(parcel)
            frame = decode(message, images=subscription.images, copy=copy)
        except FrameDecodeError as error:
            self._lose(connection, str(error))
            return None
        if again:
            frame = frame.replace(redelivered=True)
        counters = self.links[subscription.topic]
        counters.received += 1
        counters.redelivered += again
        counters.bytes += getattr(frame.data, "nbytes", 0) or head.length
        token = parcel if connection.durable else None
        return Delivery(frame, subscription, token, head.attempt)

    def _wait(self, seconds: float) -> bool:
        """Wait for a socket to have something; True when woken."""
        events = self._spin()
        if not events:
            for connection in self._connections.values():
                connection.flush()
            events = self._epoll.poll(seconds)
        woken = False
        for descriptor, _ in events:
            if descriptor == self._wake:
                woken = True
            elif descriptor in self._connections:
                self._readable.append(self._connections[descriptor])
        if woken:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        return woken and not self._readable

    def _spin(self) -> list[tuple[int, int]]:
        """Look for a moment without sleeping, when frames come quickly."""
        if not self._is_fast:
            return []
        poll, end = self._epoll.poll, time.monotonic() + _SPIN_SECONDS
        while time.monotonic() < end:
            events = poll(0)
            if events:
                return events
        return []

    @property
    def _is_fast(self) -> bool:
        """True while frames follow each other so quickly that sleeping and telling cost more."""
        return self._streak >= _FAST_STREAK

    def _withdraw(self) -> None:
        """Between two calls nothing may be on its way, or it would be old when it is looked at."""
        for connection in self._connections.values():
            if connection.asked:
                connection.withdraw()

    # publishers

    def _scan(self, now: float) -> None:
        """Connect to publishers that have appeared."""
        self._tried = {k: t for k, t in self._tried.items() if now - t < RETRY_INTERVAL}
        known = {(c.subscription.topic, c.name) for c in self._connections.values()}
        for wish, folder in self._wishes:
            for name in places.sockets_in(folder):
                key = (wish.topic, name)
                if key in known or key in self._tried or len(self._connections) >= MAX_PUBLISHERS:
                    continue
                sock = places.connect(folder, name)
                if sock is not None:
                    self._tried[key] = now
                    self._join(Connection(sock, name, wish))
        found = {connection.subscription.topic for connection in self._connections.values()}
        complete = len(found) == len(self.links)
        self._next_scan = now + (RESCAN_INTERVAL if complete else SEARCH_INTERVAL)

    def _join(self, connection: Connection) -> None:
        self._connections[connection.descriptor] = connection
        self._epoll.register(connection.descriptor, select.EPOLLIN)

    def _lose(self, connection: Connection, reason: str = "") -> None:
        """The publisher is gone, or not to be trusted."""
        if reason:
            log.warning("publisher_dropped", topic=connection.subscription.topic, reason=reason)
        if self._connections.pop(connection.descriptor, None) is not None:
            self._epoll.unregister(connection.descriptor)
        connection.close()
        self._next_scan = 0.0
