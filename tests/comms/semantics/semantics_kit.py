"""Small helpers of the shared broker suite."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from edgeflow.comms.brokers import Broker, Delivery, Publisher, Subscriber, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

HELLO = "hello"


class Source:
    """Publishes numbered frames, as a node does: a new epoch per run, sequences from 0."""

    def __init__(self, publisher: Publisher, epoch: int) -> None:
        self.publisher = publisher
        self.epoch = epoch
        self._sequence = 0

    def send(self, data: Any, timeout: float = 2.0, **fields: Any) -> bool:
        frame = Frame(
            data=data,
            id=fields.pop("id", self._sequence),
            sequence=self._sequence,
            epoch=self.epoch,
            topic=self.publisher.topic,
            **fields,
        )
        accepted = self.publisher.publish(frame, timeout)
        self._sequence += accepted
        return accepted

    def send_all(self, values: Sequence[Any]) -> None:
        for value in values:
            assert self.send(value), f"{value!r} was not accepted"


class Flow:
    """Opens publishers and subscribers of one app, each with a broker of its own."""

    def __init__(
        self, make_broker: Callable[[], Broker], stack: ExitStack, epochs: Iterator[int]
    ) -> None:
        self._make, self._stack, self._epochs = make_broker, stack, epochs

    def source(self, topic: str, *groups: Subscription, codec: str = "raw") -> Source:
        publisher = self._make().publisher(topic, groups, codec=codec)
        self._stack.callback(publisher.close)
        return Source(publisher, time.time_ns() + next(self._epochs))

    def subscriber(self, *wishes: Subscription) -> Subscriber:
        subscriber = self._make().subscriber(wishes)
        self._stack.callback(subscriber.close)
        return subscriber

    def joined(self, source: Source, *wishes: Subscription) -> Subscriber:
        """Return a subscriber that has proved to receive from ``source``."""
        subscriber = self.subscriber(*wishes)
        greet(source, subscriber)
        return subscriber


def greet(source: Source, *subscribers: Subscriber) -> None:
    """Publish greetings until each subscriber has received one; leave nothing behind."""
    waiting = list(subscribers)
    deadline = time.monotonic() + 5
    while waiting:
        assert time.monotonic() < deadline, "a subscriber did not join within 5 s"
        source.send(HELLO)
        for subscriber in list(waiting):
            if drain(subscriber, 0.1):
                waiting.remove(subscriber)
    for subscriber in subscribers:
        drain(subscriber, 0.05)
        for counters in subscriber.links.values():
            counters.received = counters.dropped = counters.bytes = 0
    for counters in source.publisher.links.values():
        counters.sent = counters.dropped = counters.bytes = 0


def drain(subscriber: Subscriber, timeout: float = 0.3) -> list[Any]:
    """Receive, acknowledge and return payloads until none comes within ``timeout`` seconds."""
    return [delivery.frame.data for delivery in deliveries(subscriber, timeout)]


def deliveries(subscriber: Subscriber, timeout: float = 0.3) -> list[Delivery]:
    """Receive and acknowledge until nothing comes within ``timeout`` seconds."""
    found = []
    while (delivery := subscriber.receive(timeout)) is not None:
        subscriber.ack(delivery)
        found.append(delivery)
    return found


def take(subscriber: Subscriber, count: int, timeout: float = 5.0) -> list[Any]:
    """Receive, acknowledge and return exactly ``count`` payloads."""
    found = []
    deadline = time.monotonic() + timeout
    while len(found) < count:
        left = deadline - time.monotonic()
        assert left > 0, f"only {len(found)} of {count} frames came: {found!r}"
        delivery = subscriber.receive(left)
        if delivery is not None:
            subscriber.ack(delivery)
            found.append(delivery.frame.data)
    return found


def next_delivery(subscriber: Subscriber, timeout: float = 5.0) -> Delivery:
    """Return the next delivery, not acknowledged."""
    deadline = time.monotonic() + timeout
    while True:
        delivery = subscriber.receive(max(0.0, deadline - time.monotonic()))
        if delivery is not None:
            return delivery
        assert time.monotonic() < deadline, "no frame came"


def durable(
    topic: str = "t", group: str = "g", capacity: int = 8, member: str = "0"
) -> Subscription:
    return Subscription(topic, group, QoS.DURABLE, capacity, member)


def balanced(
    topic: str = "t", group: str = "g", capacity: int = 4, member: str = "0"
) -> Subscription:
    return Subscription(topic, group, QoS.BALANCED, capacity, member)


def realtime(topic: str = "t", group: str = "g", member: str = "0") -> Subscription:
    return Subscription(topic, group, QoS.REALTIME, 1, member)


def dropped(source: Source, subscriber: Subscriber, group: str = "g") -> int:
    """Return the drops that both ends of a link have counted."""
    at_source = source.publisher.links.get(group)
    return (at_source.dropped if at_source else 0) + sum(
        counters.dropped for counters in subscriber.links.values()
    )
