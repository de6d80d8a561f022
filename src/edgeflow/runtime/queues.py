"""Bounded bridges between threads of the runtime."""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence

from edgeflow.comms.brokers.base import Delivery, LinkCounters, Subscriber

__all__ = ["MergedSubscriber"]


class MergedSubscriber(Subscriber):
    """Several subscribers as one; each is read by a thread of its own, one delivery ahead.

    Args:
        subscribers: no two of them have a topic in common.
        topics: order of ``links``; as the subscribers have them if not given.
    """

    def __init__(self, subscribers: Sequence[Subscriber], topics: Sequence[str] = ()) -> None:
        self._subscribers = list(subscribers)
        self._topics = topics or [topic for s in subscribers for topic in s.links]
        self._ready: queue.Queue[tuple[Subscriber, Delivery | Exception] | None] = queue.Queue(
            maxsize=max(2, len(self._subscribers))
        )
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._pump, args=(s,), name="edgeflow-merge", daemon=True)
            for s in self._subscribers
        ]
        self._from: dict[int, Subscriber] = {}
        for thread in self._threads:
            thread.start()

    @property
    def links(self) -> dict[str, LinkCounters]:  # type: ignore[override]  # read-only here
        """Counters per topic of all subscribers."""
        found = {topic: c for s in self._subscribers for topic, c in s.links.items()}
        return {topic: found[topic] for topic in self._topics}

    def _pump(self, subscriber: Subscriber) -> None:
        item: Delivery | Exception | None
        while not self._closing.is_set():
            try:
                item = subscriber.receive(0.5)
            except Exception as error:  # noqa: BLE001 - whatever it is, the node has to know
                item = error
            while item is not None and not self._closing.is_set():
                try:
                    self._ready.put((subscriber, item), timeout=0.2)
                    break
                except queue.Full:
                    continue

    def receive(self, timeout: float) -> Delivery | None:
        """Return the next delivery of any subscriber, or raise what one of them has raised."""
        deadline = time.monotonic() + timeout
        try:
            item = self._ready.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if item is None:
            return None
        subscriber, delivery = item
        if isinstance(delivery, Exception):
            raise delivery
        self._from[id(delivery)] = subscriber
        return delivery

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge at the subscriber the delivery came from."""
        subscriber = self._from.pop(id(delivery), None)
        if subscriber is not None:
            subscriber.ack(delivery)

    def nack(self, delivery: Delivery) -> None:
        """Refuse at the subscriber the delivery came from."""
        subscriber = self._from.pop(id(delivery), None)
        if subscriber is not None:
            subscriber.nack(delivery)

    def refresh(self) -> None:
        """Refresh every subscriber."""
        for subscriber in self._subscribers:
            subscriber.refresh()

    def wake(self) -> None:
        """Make ``receive`` return."""
        with contextlib.suppress(queue.Full):
            self._ready.put_nowait(None)

    def close(self) -> None:
        """Stop the threads and close every subscriber."""
        self._closing.set()
        for subscriber in self._subscribers:
            subscriber.wake()
        for thread in self._threads:
            thread.join(timeout=2.0)
        for subscriber in self._subscribers:
            subscriber.close()
