"""Frames between threads of one process, by reference: no copy anywhere."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from edgeflow.comms.brokers.base import (
    MAX_ATTEMPTS,
    Broker,
    Delivery,
    LinkCounters,
    Publisher,
    StatusBoard,
    Subscriber,
    Subscription,
)
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

__all__ = ["MemoryBroker"]

log = structlog.get_logger(__name__)


class _Entry:
    """A queued frame. REALTIME swaps ``frame`` in place; a dropped BALANCED entry holds None."""

    __slots__ = ("attempt", "frame", "queue")

    def __init__(self, frame: Frame | None, queue: "_Queue", attempt: int = 1) -> None:
        self.frame = frame
        self.queue = queue
        self.attempt = attempt


@dataclass(slots=True, eq=False)
class _Queue:
    """What one group holds of one topic.

    Attributes:
        held: DURABLE frames not acknowledged yet.
        durable, realtime: its QoS; looking up a member of an enumeration takes ten times as long.
    """

    group: "_Group"
    subscription: Subscription
    durable: bool
    realtime: bool
    waiting: deque[_Entry] = field(default_factory=deque)
    held: int = 0
    declared: bool = False
    members: int = 0

    def is_full(self) -> bool:
        return self.durable and self.held >= self.subscription.capacity

    def put(self, frame: Frame) -> int:
        """Take a frame; return how many it displaced. The group's lock is held."""
        displaced = 0
        if self.durable:
            self.held += 1
        elif self.realtime and self.waiting:
            self.waiting[0].frame = frame
            return 1
        elif len(self.waiting) >= self.subscription.capacity:
            self.waiting.popleft().frame = None
            self.group.forget_dropped()
            displaced = 1
        entry = _Entry(frame, self)
        self.waiting.append(entry)
        self.group.order.append(entry)
        return displaced


class _Group:
    """The queues of one consumer node, in order of arrival, and the members that share them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.freed = threading.Condition(self.lock)
        self.order: deque[_Entry] = deque()
        self.queues: dict[str, _Queue] = {}
        self.asleep: deque[object] = deque()
        self.blocked = 0
        self.dropped = 0

    def take(self) -> _Entry | None:
        """Remove the oldest entry. The lock is held."""
        while self.order:
            entry = self.order.popleft()
            if entry.frame is not None:
                entry.queue.waiting.popleft()
                return entry
            self.dropped -= 1
        return None

    def forget_dropped(self) -> None:
        """One more entry of ``order`` was dropped: clear them away when they are most of it."""
        self.dropped += 1
        if self.dropped > 32 and self.dropped > len(self.order) // 2:
            self.order = deque(entry for entry in self.order if entry.frame is not None)
            self.dropped = 0

    def rouse(self, count: int = 1) -> None:
        """Wake as many members as there are frames for, each once. The lock is held."""
        while count and self.asleep:
            self.asleep.popleft()
            self.arrived.notify()
            count -= 1

    def give_back(self, entries: Sequence[_Entry]) -> None:
        """Put entries in front again, keeping their order. The lock is held."""
        for entry in reversed(entries):
            self.order.appendleft(entry)
            entry.queue.waiting.appendleft(entry)
        self.rouse(len(entries))

    def release(self, queue: _Queue) -> None:
        """One DURABLE frame is done with. The lock is held."""
        queue.held -= 1
        if self.blocked and queue.held <= queue.subscription.capacity // 2:
            self.freed.notify_all()


class MemoryBroker(Broker):
    """Queues between threads. Frames are handed over as they are; arrays are shared, read-only."""

    via = "memory"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[str, _Group] = {}
        self._routes: dict[str, tuple[_Queue, ...]] = {}
        self._board = _MemoryBoard()

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> "_MemoryPublisher":
        """Return a publisher; ``codec`` has no effect where nothing is encoded."""
        for subscription in groups:
            self._queue(subscription).declared = True
        return _MemoryPublisher(self, topic)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> "_MemorySubscriber":
        """Join the group of ``subscriptions``."""
        return _MemorySubscriber(self, [self._queue(wish, join=True) for wish in subscriptions])

    def topics(self) -> list[str]:
        """Return the topics that somebody has asked for."""
        return sorted(self._routes)

    def board(self) -> StatusBoard:
        """Return the board of this process."""
        return self._board

    def close(self) -> None:
        """Forget everything that is queued."""
        with self._lock:
            self._groups.clear()
            self._routes.clear()

    def route(self, topic: str) -> tuple[_Queue, ...]:
        """Return the queues that want ``topic``."""
        return self._routes.get(topic, ())

    def _queue(self, wish: Subscription, *, join: bool = False) -> _Queue:
        with self._lock:
            group = self._groups.setdefault(wish.group, _Group())
            with group.lock:
                queue = group.queues.get(wish.topic)
                if queue is None:
                    durable, realtime = wish.qos is QoS.DURABLE, wish.qos is QoS.REALTIME
                    queue = group.queues[wish.topic] = _Queue(group, wish, durable, realtime)
                    self._routes[wish.topic] = (*self.route(wish.topic), queue)
                if join:
                    queue.members += 1
            return queue

    def leave(self, queue: _Queue) -> None:
        """A member is gone; an undeclared queue goes with its last one."""
        with self._lock:
            with queue.group.lock:
                queue.members -= 1
                if queue.members or queue.declared:
                    return
                queue.group.queues.pop(queue.subscription.topic, None)
                queue.held = 0
                queue.group.freed.notify_all()
            topic = queue.subscription.topic
            rest = tuple(other for other in self.route(topic) if other is not queue)
            self._routes[topic] = rest
            if not rest:
                del self._routes[topic]
            if not queue.group.queues:
                self._groups.pop(queue.subscription.group, None)


class _MemoryPublisher(Publisher):
    def __init__(self, broker: MemoryBroker, topic: str) -> None:
        self.topic = topic
        self.links: dict[str, LinkCounters] = {}
        self._broker = broker
        self._queues: tuple[_Queue, ...] = ()

    def publish(self, frame: Frame, timeout: float = 0.0) -> bool:
        queues = self._broker.route(self.topic)
        if queues is not self._queues:
            self._meet(queues)
        size = getattr(frame.data, "nbytes", 0)
        for queue in queues:
            if queue.is_full() and not self._wait_for_room(queue, timeout):
                return False
        for queue in queues:
            group = queue.group
            with group.lock:
                displaced = queue.put(frame)
                if group.asleep:
                    group.rouse()
            counters = self.links[queue.subscription.group]
            counters.sent += 1
            counters.dropped += displaced
            counters.bytes += size
        return True

    def _meet(self, queues: tuple[_Queue, ...]) -> None:
        """Count for ``queues`` from now on; others read ``links``, so it is replaced as a whole."""
        groups = [queue.subscription.group for queue in queues]
        self.links = {group: self.links.get(group) or LinkCounters() for group in groups}
        self._queues = queues

    def _wait_for_room(self, queue: _Queue, timeout: float) -> bool:
        group = queue.group
        with group.lock:
            group.blocked += 1
            try:
                return group.freed.wait_for(lambda: not queue.is_full(), timeout)
            finally:
                group.blocked -= 1

    def refresh(self) -> None:
        for queue in self._broker.route(self.topic):
            counters = self.links.get(queue.subscription.group)
            if counters is not None:
                counters.depth = queue.held if queue.durable else len(queue.waiting)

    def close(self) -> None:
        pass


class _MemorySubscriber(Subscriber):
    def __init__(self, broker: MemoryBroker, queues: list[_Queue]) -> None:
        self.links = {queue.subscription.topic: LinkCounters() for queue in queues}
        self._broker = broker
        self._queues = queues
        self._group = queues[0].group if queues else _Group()
        self._in_flight: deque[_Entry] = deque()
        self._woken = False
        self._closed = False

    def receive(self, timeout: float) -> Delivery | None:
        group = self._group
        with group.lock:
            entry = group.take() or self._wait(timeout)
            if entry is None:
                self._woken = False
                return None
            subscription = entry.queue.subscription
            frame = entry.frame
            if frame is None:
                return None
            if entry.queue.durable:
                self._in_flight.append(entry)
        counters = self.links[subscription.topic]
        counters.received += 1
        counters.redelivered += entry.attempt > 1
        counters.bytes += getattr(frame.data, "nbytes", 0)
        return Delivery(frame, subscription, entry, entry.attempt)

    def _wait(self, timeout: float) -> _Entry | None:
        group = self._group
        deadline = time.monotonic() + timeout
        while not (self._woken or self._closed):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self._sleep(remaining):
                return group.take()
            entry = group.take()
            if entry is not None:
                return entry
        return None

    def _sleep(self, seconds: float) -> bool:
        """Wait to be roused or woken; False when time is up."""
        token = object()
        self._group.asleep.append(token)
        try:
            return self._group.arrived.wait(seconds)
        finally:
            with suppress(ValueError):  # whoever roused us has removed it
                self._group.asleep.remove(token)

    def ack(self, delivery: Delivery) -> None:
        if not delivery.token.queue.durable:
            return
        with self._group.lock:
            if self._forget(delivery.token):
                self._group.release(delivery.token.queue)

    def nack(self, delivery: Delivery) -> None:
        if not delivery.token.queue.durable:
            return
        with self._group.lock:
            if self._forget(delivery.token):
                self._return([delivery.token])

    def _return(self, entries: Sequence[_Entry]) -> None:
        """Give entries back, or up when they have had their share. The group's lock is held."""
        again = [_mark_again(entry) for entry in entries]
        self._group.give_back([entry for entry in again if entry is not None])
        for entry, returned in zip(entries, again, strict=True):
            if returned is None and entry.frame is not None:
                self._group.release(entry.queue)
                self.links[entry.queue.subscription.topic].dropped += 1
                log.error("frame_given_up", topic=entry.frame.topic, id=entry.frame.id)

    def _forget(self, entry: _Entry) -> bool:
        in_flight = self._in_flight
        if in_flight and in_flight[0] is entry:
            in_flight.popleft()
            return True
        if entry in in_flight:
            in_flight.remove(entry)
            return True
        return False

    def wake(self) -> None:
        with self._group.lock:
            self._woken = True
            self._group.arrived.notify_all()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._group.lock:
            self._return(self._in_flight)
            self._in_flight.clear()
        for queue in self._queues:
            self._broker.leave(queue)


def _mark_again(entry: _Entry) -> _Entry | None:
    """Return the entry for its next delivery, or None when it has had its share."""
    if entry.attempt >= MAX_ATTEMPTS or entry.frame is None:
        return None
    return _Entry(entry.frame.replace(redelivered=True), entry.queue, entry.attempt + 1)


class _MemoryBoard(StatusBoard):
    def __init__(self) -> None:
        self._reports: dict[str, tuple[float, bytes]] = {}

    def post(self, member: str, report: bytes) -> None:
        self._reports[member] = (time.monotonic() + 5.0, report)

    def read(self, prefix: str = "") -> dict[str, bytes]:
        now = time.monotonic()
        return {
            member: report
            for member, (expires, report) in list(self._reports.items())
            if expires > now and member.startswith(prefix)
        }
