"""Receives several topics for one member of a group, from every source there is."""

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import (
    MAX_ATTEMPTS,
    Delivery,
    LinkCounters,
    Subscriber,
    Subscription,
)
from edgeflow.comms.zenoh.feeds import Arrival, LinkFeed
from edgeflow.comms.zenoh.session import Session
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameDecodeError
from edgeflow.protocols.frames import decode

__all__ = ["ZenohSubscriber"]

log = structlog.get_logger(__name__)

MAX_SOURCES = 256
REMEMBERED = 4096
"""DURABLE frames remembered as done, in case their source did not hear of it."""


class _Held:
    """A DURABLE frame that is here, and the links along which it came."""

    __slots__ = ("attempt", "begun", "places")

    def __init__(self, feed: LinkFeed, seq: int, attempt: int) -> None:
        self.places = [(feed, seq)]
        self.attempt = attempt
        self.begun = False


class ZenohSubscriber(Subscriber):
    """Joins sources as they appear. ``ack``, ``nack`` and ``wake`` may come from any thread."""

    def __init__(self, session: Session, subscriptions: Sequence[Subscription]) -> None:
        self.links = {wish.topic: LinkCounters() for wish in subscriptions}
        self.lock = threading.RLock()
        self.pace = 0.01
        self._changed = threading.Condition(self.lock)
        self._session = session
        self._wishes = {wish.topic: wish for wish in subscriptions}
        self._feeds: list[LinkFeed] = []
        self._again: deque[Delivery] = deque()
        self._held: dict[tuple[str, int], _Held] = {}
        self._done: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._woken = self._closed = False
        self._left = float("-inf")
        self._delivered = False
        self._watchers = {topic: self._watcher(wish) for topic, wish in self._wishes.items()}
        for topic, watcher in self._watchers.items():
            session.watch(topic, watcher)

    # --- Subscriber ------------------------------------------------------------------------------

    def receive(self, timeout: float) -> Delivery | None:
        """Return the next delivery; see the base class."""
        entered = time.monotonic()
        deadline = entered + timeout
        away = entered - self._left
        if self._delivered:
            self.pace = max(1e-4, 0.8 * self.pace + 0.2 * away)
        self._delivered = False
        try:
            while (found := self._next(entered, deadline)) is not None:
                delivery = found if isinstance(found, Delivery) else self._decoded(found)
                if delivery is not None:
                    self._count(delivery)
                    self._delivered = True
                    return delivery
            return None
        finally:
            self._left = time.monotonic()

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge within 50 ms, or with the next request for frames."""
        if delivery.subscription.qos is QoS.DURABLE:
            with self.lock:
                self._finish(delivery.token)

    def nack(self, delivery: Delivery) -> None:
        """Deliver again before anything else."""
        if delivery.subscription.qos is not QoS.DURABLE:
            return
        with self.lock:
            held = self._held.get(delivery.token)
            if held is None or not held.begun:
                return
            if held.attempt >= MAX_ATTEMPTS:
                self._give_up(delivery.subscription.topic, delivery.token, "it was refused")
                return
            held.begun = False
            held.attempt += 1
            for feed, seq in held.places:
                feed.attempted(seq, held.attempt)
            frame = delivery.frame.replace(redelivered=True)
            self._again.append(Delivery(frame, delivery.subscription, delivery.token, held.attempt))
            self._changed.notify_all()

    def refresh(self) -> None:
        """Show how many frames wait here."""
        with self.lock:
            for topic, counters in self.links.items():
                counters.depth = sum(len(f.inbox) for f in self._feeds if f.wish.topic == topic)

    def wake(self) -> None:
        """End a ``receive`` in progress, or the next one."""
        with self.lock:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Leave the groups; see the base class."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        for topic, watcher in self._watchers.items():
            self._session.presence.unwatch(topic, watcher)
        with self.lock:
            begun = {place for held in self._held.values() if held.begun for place in held.places}
            for feed in self._feeds:
                feed.leave([seq for place, seq in begun if place is feed])
                self._session.remove_feed(feed)
            self._feeds.clear()

    # --- sources ---------------------------------------------------------------------------------

    def _watcher(self, wish: Subscription) -> Any:
        def watch(source: str, peer: str, alive: bool) -> None:
            with self.lock:
                if self._closed:
                    return
                for feed in self._feeds:
                    if feed.source == source and not feed.dead:
                        if alive:
                            return
                        self._end(feed)
                if alive:
                    self._join(wish, source, peer)
                self._changed.notify_all()

        return watch

    def _join(self, wish: Subscription, source: str, peer: str) -> None:
        if sum(not feed.dead for feed in self._feeds) >= MAX_SOURCES:
            return
        link = secrets.randbits(63)
        counters = self.links[wish.topic]
        feed = LinkFeed(self._session, self, wish, counters, source=source, peer=peer, link=link)
        self._feeds.append(feed)
        self._session.add_feed(feed)
        feed.join()

    def _end(self, feed: LinkFeed) -> None:
        """The source has gone; what has arrived from it is still delivered."""
        feed.dead = True
        self._session.remove_feed(feed)
        log.debug("source_gone", topic=feed.wish.topic, group=feed.wish.group)

    def rejoin(self, feed: LinkFeed) -> None:
        """The source does not know the link any more: open another one."""
        self._end(feed)
        self._join(feed.wish, feed.source, feed.peer)

    # --- deliveries ------------------------------------------------------------------------------

    def _next(self, entered: float, deadline: float) -> Arrival | Delivery | None:
        with self.lock:
            for feed in self._feeds:
                feed.enter()
            while not self._closed:
                found = self._pick(entered)
                if found is not None:
                    return found
                for feed in self._feeds:
                    feed.want()
                if self._woken:
                    break
                until = [deadline, *[f.look_until for f in self._feeds if f.look_until]]
                left = min(until) - time.monotonic()
                if deadline - time.monotonic() <= 0:
                    break
                self._changed.wait(max(0.0, left))
            self._woken = False
            return None

    def _pick(self, entered: float) -> Arrival | Delivery | None:
        if self._again:
            delivery = self._again.popleft()
            self._held[delivery.token].begun = True
            return delivery
        for feed in sorted(self._feeds, key=lambda each: not each.dead):
            if feed.ready(entered):
                arrival = feed.take()
                self._feeds.remove(feed)
                if not feed.dead or feed.inbox:
                    self._feeds.append(feed)
                if feed.durable:
                    self._held[arrival.identity].begun = True
                return arrival
        self._feeds = [feed for feed in self._feeds if not feed.dead or feed.inbox]
        return None

    def accept(self, arrival: Arrival) -> bool:
        """Note a DURABLE frame; False when it is done with already, or is here."""
        identity, seq = arrival.identity, arrival.header.seq
        if identity in self._done:
            arrival.feed.finish(seq)
            return False
        held = self._held.get(identity)
        if held is not None:
            held.places.append((arrival.feed, seq))
            return False
        self._held[identity] = _Held(arrival.feed, seq, arrival.header.attempt)
        return True

    def notify(self) -> None:
        """Wake ``receive``."""
        self._changed.notify_all()

    def _finish(self, identity: tuple[str, int]) -> None:
        held = self._held.pop(identity, None)
        if held is None:
            return
        self._done[identity] = None
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)
        for feed, seq in held.places:
            feed.finish(seq)

    def _give_up(self, topic: str, identity: tuple[str, int], reason: str) -> None:
        self.links[topic].dropped += 1
        log.error("frame_given_up", topic=topic, number=identity[1], reason=reason)
        self._finish(identity)

    def _decoded(self, arrival: Arrival) -> Delivery | None:
        """Return the delivery; None for what is no frame, which is given up."""
        wish, header = arrival.feed.wish, arrival.header
        try:
            size = len(arrival.payload)
            if size > settings.MAX_FRAME_BYTES:
                raise FrameDecodeError(f"{size} bytes; the limit is {settings.MAX_FRAME_BYTES}")
            frame: Frame = decode(arrival.payload.to_bytes(), images=wish.images)
        except FrameDecodeError as error:
            with self.lock:
                if wish.qos is QoS.DURABLE:
                    self._give_up(wish.topic, arrival.identity, str(error))
                else:
                    self.links[wish.topic].dropped += 1
            return None
        if header.again or header.attempt > 1:
            frame = frame.replace(redelivered=True)
        token = arrival.identity if wish.qos is QoS.DURABLE else None
        return Delivery(frame, wish, token, header.attempt)

    def _count(self, delivery: Delivery) -> None:
        counters = self.links[delivery.subscription.topic]
        counters.received += 1
        counters.bytes += getattr(delivery.frame.data, "nbytes", 0)
        counters.redelivered += delivery.attempt > 1
