"""Bounded bridges between threads of the runtime."""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence

from edgeflow.comms.brokers.base import Delivery, LinkCounters, Subscriber

__all__ = ["MergedSubscriber"]


class MergedSubscriber(Subscriber):
    """Several subscribers as one; each is read by a thread of its own, one delivery ahead."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._subscribers = list(subscribers)
        self._ready: queue.Queue[tuple[Subscriber, Delivery] | None] = queue.Queue(
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
        return {topic: c for s in self._subscribers for topic, c in s.links.items()}

    def _pump(self, subscriber: Subscriber) -> None:
        while not self._closing.is_set():
            delivery = subscriber.receive(0.5)
            while delivery is not None and not self._closing.is_set():
                try:
                    self._ready.put((subscriber, delivery), timeout=0.2)
                    break
                except queue.Full:
                    continue

    def receive(self, timeout: float) -> Delivery | None:
        """Return the next delivery of any subscriber."""
        deadline = time.monotonic() + timeout
        try:
            item = self._ready.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if item is None:
            return None
        subscriber, delivery = item
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
