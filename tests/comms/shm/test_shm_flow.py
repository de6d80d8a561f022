"""Delivery between two publishers' ends in one process, beyond what the shared suite asks."""

import threading
import time

import numpy as np
import pytest
from shm_kit import until

from edgeflow.comms.brokers import ShmBroker, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import CommsError, ConfigError, FrameTooLargeError, PayloadError


def wish(qos: QoS, capacity: int = 8, group: str = "g", member: str = "0") -> Subscription:
    return Subscription("cam", group, qos, capacity, member)


def ids(subscriber, timeout: float = 0.2) -> list[int]:
    found = []
    while (delivery := subscriber.receive(timeout)) is not None:
        found.append(delivery.frame.id)
        subscriber.ack(delivery)
    return found


def test_realtime_gives_the_newest_even_after_a_receive_that_found_nothing(shm: ShmBroker):
    publisher = shm.publisher("cam")
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    assert subscriber.receive(0.05) is None
    for number in range(10):
        publisher.publish(Frame(data=np.zeros(20000, np.uint8), id=number))
    assert ids(subscriber) == [9]
    assert publisher.links["g"].dropped == 9
    subscriber.close()
    publisher.close()


def test_balanced_keeps_the_newest_of_its_capacity(shm: ShmBroker):
    publisher = shm.publisher("cam")
    subscriber = shm.subscriber([wish(QoS.BALANCED, 4)])
    assert subscriber.receive(0.05) is None
    for number in range(10):
        publisher.publish(Frame(data=b"x", id=number))
    assert ids(subscriber) == [6, 7, 8, 9]
    subscriber.close()
    publisher.close()


def test_a_slow_realtime_topic_is_fresh_beside_a_busy_one(shm: ShmBroker):
    wishes = [Subscription(topic, "g") for topic in ("a", "b")]
    a, b = (shm.publisher(topic, [w]) for topic, w in zip("ab", wishes, strict=True))
    subscriber = shm.subscriber(wishes)
    newest = {"a": 0, "b": 0}
    for number in range(1, 30):
        a.publish(Frame(data=b"a", id=number))
        b.publish(Frame(data=b"b", id=number))
        newest["a"] = newest["b"] = number
        delivery = subscriber.receive(1)
        assert delivery.frame.id == newest[delivery.subscription.topic]
    subscriber.close()
    a.close()
    b.close()


def test_a_pending_frame_is_sent_while_the_producer_sleeps(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    for number in range(100):  # fast: the I/O thread has stepped back
        publisher.publish(Frame(data=b"x", id=number))
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    assert subscriber.receive(1).frame.id == 99
    subscriber.close()
    publisher.close()


def test_durable_holds_the_producer_back_and_hands_it_to_nobody(shm: ShmBroker):
    groups = [wish(QoS.DURABLE, 2), wish(QoS.REALTIME, group="other")]
    publisher = shm.publisher("cam", groups)
    assert [publisher.publish(Frame(data=b"x", id=n)) for n in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert publisher.links["other"].sent == 2
    start = time.monotonic()
    assert not publisher.publish(Frame(data=b"x"), 0.1)
    assert time.monotonic() - start >= 0.1
    publisher.refresh()
    assert publisher.links["g"].depth == 2
    subscriber = shm.subscriber([groups[0]])
    assert ids(subscriber) == [0, 1]
    assert publisher.publish(Frame(data=b"x", id=4))
    assert ids(subscriber) == [4]
    subscriber.close()
    publisher.close()


def test_a_blocked_publish_goes_on_when_the_reader_acknowledges(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE, 1)])
    subscriber = shm.subscriber([wish(QoS.DURABLE, 1)])
    publisher.publish(Frame(data=b"x", id=0))
    thread = threading.Thread(target=lambda: subscriber.ack(subscriber.receive(2)))
    thread.start()
    assert publisher.publish(Frame(data=b"x", id=1), 5)
    thread.join()
    assert ids(subscriber) == [1]
    subscriber.close()
    publisher.close()


def test_an_undeclared_durable_group_ends_with_its_last_member(shm: ShmBroker):
    publisher = shm.publisher("cam")
    subscriber = shm.subscriber([wish(QoS.DURABLE, 2)])
    assert publisher.publish(Frame(data=b"x"))
    assert list(publisher.links) == ["g"]
    subscriber.close()
    until(lambda: not publisher.links)
    assert all(publisher.publish(Frame(data=b"x")) for _ in range(5))
    publisher.close()


def test_members_share_the_frames_of_a_group(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE, 64)])
    members = [shm.subscriber([wish(QoS.DURABLE, 64, member=str(m))]) for m in range(3)]
    for member in members:
        assert member.receive(0.02) is None
    for number in range(30):
        publisher.publish(Frame(data=b"x", id=number))
    found: list[list[int]] = [[], [], []]
    for _ in range(30):
        for member, seen in zip(members, found, strict=True):
            delivery = member.receive(0.02)
            if delivery is not None:
                seen.append(delivery.frame.id)
                member.ack(delivery)
    assert sorted(number for seen in found for number in seen) == list(range(30))
    assert all(len(seen) >= 5 and seen == sorted(seen) for seen in found)
    for member in members:
        member.close()
    publisher.close()


def test_prefetched_frames_of_a_leaving_member_are_not_marked(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE)])
    first = shm.subscriber([wish(QoS.DURABLE)])
    for number in range(4):
        publisher.publish(Frame(data=b"x", id=number))
    assert first.receive(1).frame.id == 0
    first.close()
    second = shm.subscriber([wish(QoS.DURABLE)])
    got = []
    while (delivery := second.receive(0.2)) is not None:
        got.append((delivery.frame.id, delivery.frame.redelivered, delivery.attempt))
        second.ack(delivery)
    assert got == [(0, True, 2), (1, False, 1), (2, False, 1), (3, False, 1)]
    second.close()
    publisher.close()


@pytest.mark.parametrize("qos", list(QoS))
def test_what_was_accepted_arrives_after_the_publisher_has_closed(shm: ShmBroker, qos: QoS):
    publisher = shm.publisher("cam", [wish(qos)])
    subscriber = shm.subscriber([wish(qos)])
    for number in range(5):
        publisher.publish(Frame(data=np.full(30000, number, np.uint8), id=number))
    start = time.monotonic()
    publisher.close()
    assert time.monotonic() - start < 4
    assert ids(subscriber) == ([4] if qos is QoS.REALTIME else [0, 1, 2, 3, 4])
    subscriber.close()


def test_closing_waits_a_moment_for_a_declared_durable_group(shm: ShmBroker):
    publisher = shm.publisher("cam", [wish(QoS.DURABLE)])
    publisher.publish(Frame(data=b"x", id=3))
    closer = threading.Thread(target=publisher.close)
    closer.start()
    subscriber = shm.subscriber([wish(QoS.DURABLE)])
    assert ids(subscriber) == [3]
    closer.join()
    subscriber.close()


def test_a_publisher_that_appears_later_is_found(shm: ShmBroker):
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    assert subscriber.receive(0.01) is None
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    publisher.publish(Frame(data=b"x", id=1))
    assert subscriber.receive(2).frame.id == 1
    subscriber.close()
    publisher.close()


def test_several_publishers_of_one_topic(shm: ShmBroker):
    publishers = [shm.publisher("cam", [wish(QoS.DURABLE)]) for _ in range(3)]
    subscriber = shm.subscriber([wish(QoS.DURABLE)])
    for number, publisher in enumerate(publishers):
        publisher.publish(Frame(data=b"x", id=number))
    assert sorted(ids(subscriber)) == [0, 1, 2]
    for publisher in publishers:
        publisher.close()
    subscriber.close()


def test_wake_ends_a_wait_and_may_come_after_close(shm: ShmBroker):
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    timer = threading.Timer(0.05, subscriber.wake)
    start = time.monotonic()
    timer.start()
    assert subscriber.receive(10) is None
    assert time.monotonic() - start < 5
    timer.join()
    subscriber.close()
    subscriber.close()
    subscriber.wake()
    assert subscriber.receive(1) is None


def test_topics_lists_what_has_a_live_publisher(shm: ShmBroker, run_dir):
    assert shm.topics() == []
    names = ["cam", "a/b c", "..", "långt " * 60]
    publishers = [shm.publisher(name) for name in names]
    assert shm.topics() == sorted(names)
    assert shm.topics("another app") == []
    for publisher in publishers:
        publisher.close()
    assert shm.topics() == []
    with pytest.raises(ConfigError):
        shm.publisher("")


def test_a_long_run_folder_does_not_matter(run_dir):
    shm = ShmBroker(run_dir / ("deep" * 30))
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    subscriber = shm.subscriber([wish(QoS.REALTIME)])
    publisher.publish(Frame(data=b"x"))
    assert subscriber.receive(1) is not None
    subscriber.close()
    publisher.close()


def test_a_run_folder_that_cannot_be_used_is_said(run_dir):
    (run_dir / "file").touch()
    with pytest.raises(CommsError, match="EDGEFLOW_RUN_DIR"):
        ShmBroker(run_dir / "file").publisher("cam")


def test_folders_are_private_and_leave_with_the_publisher(shm: ShmBroker, run_dir):
    publisher = shm.publisher("cam")
    folders = [path for path in run_dir.rglob("*") if path.is_dir()]
    assert folders and all(path.stat().st_mode & 0o77 == 0 for path in folders)
    publisher.close()
    assert not list(run_dir.rglob("cam"))


def test_what_cannot_travel_is_said_and_changes_nothing(shm: ShmBroker, monkeypatch):
    monkeypatch.setenv("EDGEFLOW_MAX_FRAME_BYTES", "20000")
    publisher = shm.publisher("cam", [wish(QoS.REALTIME)])
    with pytest.raises(PayloadError):
        publisher.publish(Frame(data=object()))
    with pytest.raises(PayloadError):
        publisher.publish(Frame(data=memoryview(bytes(100))[::2]))
    with pytest.raises(FrameTooLargeError, match="cam"):
        publisher.publish(Frame(data=bytes(30000)))
    assert publisher.links["g"].sent == 0
    publisher.close()
    with pytest.raises(CommsError, match="closed"):
        publisher.publish(Frame(data=b""))
