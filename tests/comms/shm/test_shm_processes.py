"""Two real processes: torn frames, kill -9 of either side, what is left behind."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shm_kit import Worker, descriptors, shared_bytes, until

from edgeflow.comms.brokers import ShmBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

Start = Callable[..., Worker]
SHAPE = (240, 320, 3)


def wish(qos: QoS, group: str = "g", capacity: int = 8) -> Subscription:
    return Subscription("cam", group, qos, capacity)


@pytest.mark.parametrize("qos", list(QoS))
@pytest.mark.parametrize("in_place", [False, True], ids=["copied", "in-place"])
def test_no_frame_is_torn_under_load(shm: ShmBroker, worker: Start, qos: QoS, in_place: bool):
    count = 1500
    publisher = shm.publisher("cam", [wish(qos, "check")])
    reader = worker("check", qos.value, count)
    reader.line()
    image = np.empty(SHAPE, np.uint8)
    for number in range(count):
        if in_place:
            image = publisher.allocate(SHAPE, np.dtype(np.uint8))
        image.fill(number % 251)
        assert publisher.publish(Frame(data=image, id=number, topic="cam"), 10)
    frames, torn, last = map(int, reader.line().split())
    assert torn == 0
    assert last == count - 1
    if qos is QoS.DURABLE:
        assert frames == count
    publisher.close()


def test_a_killed_consumer_loses_no_durable_frame(shm: ShmBroker, worker: Start):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE)])
    for number in range(6):
        publisher.publish(Frame(data=np.full(SHAPE, number, np.uint8), id=number))
    consumer = worker("stick", "durable", 3)
    assert [consumer.line() for _ in range(3)] == ["0", "1", "2"]
    consumer.kill()
    successor = shm.subscriber([wish(QoS.DURABLE)])
    got = []
    for _ in range(4):
        delivery = successor.receive(2)
        assert (delivery.frame.data == delivery.frame.id).all()
        got.append((delivery.frame.id, delivery.frame.redelivered))
        successor.ack(delivery)
    assert [number for number, _ in got] == [2, 3, 4, 5]
    assert got[0] == (2, True)
    assert successor.receive(0.05) is None
    successor.close()
    publisher.close()


def test_one_bad_frame_does_not_take_its_successors_along(shm: ShmBroker, worker: Start):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE)])
    for number in range(4):
        publisher.publish(Frame(data=np.full(SHAPE, number, np.uint8), id=number))
    for _ in range(5):
        consumer = worker("stick", "durable", 1)
        assert consumer.line() == "0"
        consumer.kill()
        until(lambda: _forgotten(publisher))
    successor = shm.subscriber([wish(QoS.DURABLE)])
    got = []
    while (delivery := successor.receive(0.3)) is not None:
        got.append(delivery.frame.id)
        successor.ack(delivery)
    assert got == [1, 2, 3]
    assert publisher.links["g"].dropped == 1
    successor.close()
    publisher.close()


def _forgotten(publisher) -> bool:
    return not publisher.readers


def test_a_killed_consumer_gives_its_memory_back(shm: ShmBroker, worker: Start):
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    before = descriptors()
    for _ in range(3):
        consumer = worker("stick", "realtime", 3)
        for number in range(3):
            publisher.publish(Frame(data=np.zeros((1080, 1920, 3), np.uint8), id=number))
            consumer.line()
        mapped = shared_bytes()
        consumer.close()
        until(lambda: _forgotten(publisher))
    assert shared_bytes() == mapped
    until(lambda: descriptors() <= before + 2)  # one descriptor and one mapping of one segment
    publisher.close()


def test_a_killed_producer_is_noticed_and_its_successor_found(
    shm: ShmBroker, worker: Start, run_dir: Path
):
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    producer = worker("publish", 0)
    producer.line()
    kept = [subscriber.receive(2).frame for _ in range(3)]
    producer.kill()
    until(lambda: subscriber.receive(0.02) is None)
    start = time.monotonic()
    successor = worker("publish", 1_000_000)
    successor.line()
    found = time.monotonic()
    delivery = subscriber.receive(5)
    assert delivery.frame.id >= 1_000_000
    assert time.monotonic() - found < 4.0, f"started in {found - start:.2f} s"
    assert all((frame.data == frame.id % 256).all() for frame in kept)

    def only_the_successor() -> bool:
        subscriber.receive(0.02)
        (first, *more) = [path.name for path in run_dir.rglob("*.sock")]
        return not more and first.startswith(f"{successor.process.pid}-")

    until(only_the_successor)
    subscriber.close()


def test_a_killed_publisher_leaves_no_descriptor_and_no_memory(shm: ShmBroker, worker: Start):
    before, mapped = descriptors(), shared_bytes()
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    own = descriptors()
    producer = worker("publish", 0)
    held = [subscriber.receive(10).frame for _ in range(3)]
    assert shared_bytes() > mapped
    producer.close()
    held.clear()
    until(lambda: subscriber.receive(0.02) is None and descriptors() == own)
    assert shared_bytes() == mapped
    subscriber.close()
    assert descriptors() == before


def test_a_killed_subscriber_leaves_no_descriptor_and_no_memory(shm: ShmBroker, worker: Start):
    before, mapped = descriptors(), shared_bytes()
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    publisher.publish(Frame(data=np.zeros(SHAPE, np.uint8)))
    own, owned = descriptors(), shared_bytes()
    consumer = worker("stick", "realtime", 3)
    consumer.line()
    for number in range(2):
        publisher.publish(Frame(data=np.zeros(SHAPE, np.uint8), id=number))
        consumer.line()
    consumer.close()
    until(lambda: descriptors() == own)
    assert shared_bytes() == owned
    publisher.close()
    del publisher
    assert (descriptors(), shared_bytes()) == (before, mapped)


def test_kills_leave_nothing_in_dev_shm(shm: ShmBroker, worker: Start):
    before = {path.name for path in Path("/dev/shm").iterdir()}
    producer = worker("publish", 0)
    producer.line()
    consumer = worker("stick", "realtime", 2)
    consumer.line()
    producer.kill()
    consumer.kill()
    assert {path.name for path in Path("/dev/shm").iterdir()} <= before
    assert shm.topics() == []


def test_realtime_with_a_slow_consumer_keeps_memory_flat(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    sizes = []
    for number in range(400):
        publisher.publish(Frame(data=np.full((480, 640, 3), number % 256, np.uint8), id=number))
        if number % 100 == 99:
            assert subscriber.receive(2).frame.id == number
            sizes.append(shared_bytes())
    assert len(set(sizes)) == 1
    assert publisher.links["g"].dropped == 396
    subscriber.close()
    publisher.close()


def test_an_idle_link_costs_nothing(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    subscriber.receive(0.01)
    start = time.process_time()
    assert subscriber.receive(1.0) is None
    assert time.process_time() - start < 0.02
    subscriber.close()
    publisher.close()
