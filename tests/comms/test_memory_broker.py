"""What only the memory broker has to be asked: bounds that show in its own process."""

import tracemalloc

import numpy as np

from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.comms.brokers.base import MAX_ATTEMPTS
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS


def wish(qos: QoS, topic: str = "t", capacity: int = 1, group: str = "g") -> Subscription:
    return Subscription(topic, group, qos, capacity)


def test_a_frame_given_up_by_members_that_left_frees_its_place():
    broker = MemoryBroker()
    publisher = broker.publisher("t", [wish(QoS.DURABLE)])
    assert publisher.publish(Frame(data="poison"))
    for _ in range(MAX_ATTEMPTS):
        subscriber = broker.subscriber([wish(QoS.DURABLE)])
        assert subscriber.receive(0.0).frame.data == "poison"
        subscriber.close()
    assert publisher.publish(Frame(data="food"))
    assert broker.subscriber([wish(QoS.DURABLE)]).receive(0.0).frame.data == "food"
    assert subscriber.links["t"].dropped == 1


def test_dropped_frames_leave_nothing_behind_while_nobody_receives():
    broker = MemoryBroker()
    wishes = [wish(QoS.BALANCED, "balanced", 4), wish(QoS.REALTIME, "realtime")]
    watched, other = (broker.publisher(w.topic, [w]) for w in wishes)
    other.publish(Frame(data="waits at the head"))
    frame = Frame(data=np.zeros(1))

    def grown(count: int) -> int:
        tracemalloc.start()
        for _ in range(count):
            watched.publish(frame)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    grown(1000)
    assert grown(20_000) < 50_000
    subscriber = broker.subscriber(wishes)
    got = [subscriber.receive(0.0).subscription.topic for _ in range(5)]
    assert got == ["realtime"] + ["balanced"] * 4
    assert subscriber.receive(0.0) is None


def test_counters_of_listeners_that_left_are_forgotten():
    broker = MemoryBroker()
    publisher = broker.publisher("t", [wish(QoS.REALTIME)])
    for number in range(100):
        tap = broker.subscriber([wish(QoS.REALTIME, group=f"tap-{number}")])
        publisher.publish(Frame(data=number))
        tap.close()
    publisher.publish(Frame(data="last"))
    assert set(publisher.links) == {"g"}
    assert publisher.links["g"].sent == 101
