"""Who may join a publisher, how much one reader may hold, and how the others fare."""

import contextlib
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from shm_kit import Worker, descriptors, until
from structlog.testing import capture_logs

from edgeflow.comms.brokers import ShmBroker, Subscription
from edgeflow.comms.shm import packets, places, reception
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS

IMAGE = (200, 200, 3)


def wish(qos: QoS = QoS.REALTIME, group: str = "g", capacity: int = 8) -> Subscription:
    return Subscription("cam", group, qos, capacity)


def image(value: int) -> np.ndarray:
    return np.full(IMAGE, value % 256, np.uint8)


@contextlib.contextmanager
def foreign_reader(run_dir: Path, group: str, qos: QoS) -> Iterator[socket.socket]:
    """A reader that speaks the protocol by hand, once it was welcomed."""
    folder = places.topic_folder(run_dir, ShmBroker.app, "cam")
    (name,) = places.sockets_in(folder)
    sock = places.connect(folder, name)
    assert sock is not None
    with sock:
        sock.settimeout(5)
        sock.send(packets.pack_hello(packets.Hello(packets.VERSION, group, "0", qos, 8)))
        packets.parse_welcome(sock.recv(100))
        yield sock


def ready(handed: int) -> bytes:
    return packets.pack_update(packets.Update(True, False, False, 0, handed, (), (), ()))


def next_frame(sock: socket.socket) -> packets.FrameHead:
    while (packet := sock.recv(packets.READER_BUFFER_BYTES))[0] != packets.FRAME:
        assert packet[0] in (packets.SEGMENT, packets.RETIRE)
    return packets.parse_frame(packet)[0]


def test_a_reader_that_releases_nothing_stops_only_itself(shm: ShmBroker, run_dir: Path):
    publisher = shm.publisher("cam", [wish()])
    subscriber = shm.subscriber([wish()])
    with foreign_reader(run_dir, "hoarder", QoS.REALTIME) as hoarder:
        got = 0
        for number in range(60):
            hoarder.send(ready(got))
            publisher.publish(Frame(data=image(number), id=number))
            with contextlib.suppress(BlockingIOError):
                hoarder.setblocking(False)
                got = next_frame(hoarder).number
            delivery = subscriber.receive(2)
            assert delivery.frame.id == number
            assert (delivery.frame.data == number).all()
        assert 1 <= got <= 8
        assert publisher.links["g"].dropped == 0
        assert publisher.links["hoarder"].dropped >= 40
        hoarder.setblocking(True)
        hoarder.send(
            packets.pack_update(
                packets.Update(True, False, False, 0, got, tuple(range(1, got + 1)), (), ())
            )
        )
        assert next_frame(hoarder).number == got + 1
    subscriber.close()
    publisher.close()


def test_a_consumer_that_keeps_every_frame_leaves_the_others_alone(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(), wish(QoS.BALANCED, "keeper", 64)])
    keeper = shm.subscriber([wish(QoS.BALANCED, "keeper", 64)])
    subscriber = shm.subscriber([wish()])
    kept = []
    for number in range(100):
        assert publisher.publish(Frame(data=image(number), id=number))
        kept.append(keeper.receive(2).frame)
        assert subscriber.receive(2).frame.id == number
    assert [frame.id for frame in kept] == list(range(100))
    assert all((frame.data == frame.id).all() for frame in kept)
    assert publisher.links["g"].dropped == 0
    for end in (keeper, subscriber, publisher):
        end.close()


def test_readers_beyond_the_limit_are_turned_away(shm: ShmBroker, run_dir: Path, monkeypatch):
    monkeypatch.setattr(reception, "MAX_PEERS", 2)
    publisher = shm.publisher("cam", [wish()])
    members = [shm.subscriber([wish()]) for _ in range(2)]
    until(lambda: publisher.readers == 2)
    with capture_logs() as logs:
        third = shm.subscriber([wish()])
        assert third.receive(0.3) is None
    assert 1 <= [entry["event"] for entry in logs].count("reader_refused") <= 2
    members.pop().close()
    until(lambda: publisher.readers == 1)
    publisher.publish(Frame(data=b"x", id=1))
    members.pop().close()
    assert third.receive(5).frame.id == 1
    third.close()
    publisher.close()


def test_a_publisher_without_free_descriptors_turns_readers_away_and_recovers(
    shm: ShmBroker, worker: Callable[..., Worker]
):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE)])
    reader = worker("stick", "durable", 1, "wait")
    assert reader.line() == "up"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    with capture_logs() as logs:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            reader.go()
            until(lambda: any(entry["event"] == "reader_refused" for entry in logs), 20)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert publisher.publish(Frame(data=b"x", id=7))
    assert reader.line() == "7"
    assert sum(entry["event"] == "reader_refused" for entry in logs) <= 3
    publisher.close()


def test_a_late_joiner_gets_what_its_policy_keeps(shm: ShmBroker):
    wishes = [wish(qos, qos.value, 4) for qos in QoS]
    publisher = shm.publisher("cam", wishes)
    for number in range(4):
        assert publisher.publish(Frame(data=image(number), id=number))
    got = {}
    for one in (*wishes, wish(QoS.DURABLE, "undeclared")):
        subscriber = shm.subscriber([one])
        got[one.group] = []
        while (delivery := subscriber.receive(0.2)) is not None:
            got[one.group].append(delivery.frame.id)
            subscriber.ack(delivery)
        subscriber.close()
    assert got == {
        "realtime": [3],
        "durable": [0, 1, 2, 3],
        "balanced": [0, 1, 2, 3],
        "undeclared": [],
    }
    publisher.close()


@pytest.mark.parametrize("qos", list(QoS))
def test_a_subscriber_follows_publishers_that_come_and_go(shm: ShmBroker, qos: QoS):
    subscriber = shm.subscriber([wish(qos)])
    subscriber.receive(0.01)
    before = descriptors()
    kept = []
    for number in range(6):
        publisher = shm.publisher("cam", [wish(qos)])
        publisher.publish(Frame(data=image(number), id=number))
        delivery = subscriber.receive(5)
        subscriber.ack(delivery)
        kept.append(delivery.frame)
        publisher.close()
    assert [frame.id for frame in kept] == list(range(6))
    assert all((frame.data == frame.id).all() for frame in kept)
    del kept, delivery, publisher
    subscriber.receive(0.05)
    assert descriptors() == before
    subscriber.close()
