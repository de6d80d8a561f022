"""Direct links to nodes that are no gateway: their addresses are told on a board."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.comms.tcp import TcpBroker
from edgeflow.comms.tcp.directory import PREFIX, own_host
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError
from flows import wait_until
from relay import Relay
from servers import free_port

WISH = Subscription("cam", "worker", QoS.BALANCED, 64)


@pytest.fixture
def make() -> Iterator[Callable[..., TcpBroker]]:
    board, port = MemoryBroker().board(), free_port()
    with ExitStack() as stack:

        def begin() -> TcpBroker:
            broker = TcpBroker("127.0.0.1", port, "127.0.0.1", board=board, gateways=["web"])
            broker.board_for_tests = board
            stack.callback(broker.close)
            return broker

        yield begin


def frame(number: int, data: object = b"x") -> Frame:
    return Frame(data=data, id=number, topic="cam", source="cam", sequence=number)


def found(broker: TcpBroker, count: int) -> None:
    wait_until(lambda: len(broker.senders_of("worker")) == count)


def test_members_are_found_and_share_the_frames(make: Callable[..., TcpBroker]):
    receivers = [make().subscriber([Subscription("cam", "worker", QoS.BALANCED, 64, str(n))])
                 for n in range(2)]  # fmt: skip
    camera = make()
    publisher = camera.publisher("cam", [WISH])
    found(camera, 2)
    for number in range(40):
        assert publisher.publish(frame(number))
    seen = [[], []]
    for receiver, into in zip(receivers, seen, strict=True):
        while (delivery := receiver.receive(1.0)) is not None:
            into.append(delivery.frame.id)
    assert sorted(seen[0] + seen[1]) == list(range(40))
    assert seen[0]
    assert seen[1]
    receivers[0].close()
    found(camera, 1)
    publisher.publish(frame(40))
    assert receivers[1].receive(5.0).frame.id == 40
    receivers[1].close()


def sending() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "edgeflow-tcp-send"]


def test_no_thread_stays_behind_when_members_come_and_go(make: Callable[..., TcpBroker]):
    camera = make()
    publisher = camera.publisher("cam", [WISH])
    before = threading.active_count()
    for number in range(2):
        receivers = [make().subscriber([WISH]) for _ in range(2)]
        found(camera, 2)
        publisher.publish(frame(number))
        assert len(sending()) == 2
        for receiver in receivers:
            receiver.close()
        wait_until(lambda: not sending())
    assert camera.senders_of("worker") == []
    camera.close()
    assert threading.active_count() < before + 4  # the directories of the members' brokers


def test_a_member_that_reads_nothing_any_more_holds_no_thread(make: Callable[..., TcpBroker]):
    camera, board = make(), make().board_for_tests
    publisher = camera.publisher("cam", [WISH])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        entry = {"group": "worker", "host": "127.0.0.1", "port": silent.getsockname()[1]}
        board.post(f"{PREFIX}worker/0/x", json.dumps(entry).encode())
        found(camera, 1)
        for number in range(20):
            publisher.publish(frame(number, np.zeros((480, 640, 3), np.uint8)))
        assert len(sending()) == 1
        wait_until(lambda: not sending(), 20)


def test_the_end_of_a_broker_waits_no_longer_for_many_silent_members_than_for_one(
    make: Callable[..., TcpBroker],
):
    camera, board = make(), make().board_for_tests
    publisher = camera.publisher("cam", [WISH])
    with ExitStack() as stack:
        for number in range(4):
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            entry = {"group": "worker", "host": "127.0.0.1", "port": silent.getsockname()[1]}
            board.post(f"{PREFIX}worker/{number}/x", json.dumps(entry).encode())
        found(camera, 4)
        for number in range(40):
            publisher.publish(frame(number, np.zeros((480, 640, 3), np.uint8)))
        assert len(sending()) == 4
        begun = time.monotonic()
        camera.close()
        assert time.monotonic() - begun < 8  # 2 s, and those of a busy machine
        assert not sending()


def test_a_frame_goes_once_to_the_gateway_and_once_to_a_member(make: Callable[..., TcpBroker]):
    worker = make().subscriber([WISH])
    gateway = make().subscriber([Subscription("cam", "web")])
    camera = make()
    publisher = camera.publisher("cam", [WISH, Subscription("cam", "web")])
    found(camera, 1)
    image = np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8)
    publisher.publish(frame(7, image))
    for receiver in (worker, gateway):
        assert np.array_equal(receiver.receive(5.0).frame.data, image)
        assert receiver.receive(0.1) is None
        receiver.close()
    assert {group: each.sent for group, each in publisher.links.items()} == {"worker": 1, "web": 1}


def test_a_link_has_a_codec_of_its_own(make: Callable[..., TcpBroker]):
    worker = make().subscriber([WISH])
    camera = make()
    publisher = camera.publisher("cam", [WISH], codec="jpeg:90")
    found(camera, 1)
    image = np.full((480, 640, 3), (10, 120, 200), np.uint8)
    publisher.publish(frame(0, image))
    got = worker.receive(5.0).frame.data
    assert got.shape == image.shape
    assert np.abs(got.astype(int) - image).max() < 8
    assert publisher.links["worker"].bytes < image.nbytes / 20
    worker.close()


def test_frames_without_a_receiver_are_counted_drops(make: Callable[..., TcpBroker]):
    publisher = make().publisher("cam", [WISH])
    for number in range(5):
        assert publisher.publish(frame(number))
    assert (publisher.links["worker"].sent, publisher.links["worker"].dropped) == (5, 5)


def test_after_its_end_a_broker_connects_to_nobody(make: Callable[..., TcpBroker]):
    broker = make()
    publisher = broker.publisher("cam", [Subscription("cam", "web", QoS.BALANCED, 64)])
    broker.close()
    before = threading.active_count()
    assert publisher.publish(frame(0))
    assert publisher.links["web"].dropped == 1
    assert threading.active_count() <= before


def test_a_durable_link_is_refused_at_both_ends(make: Callable[..., TcpBroker]):
    durable = Subscription("cam", "worker", QoS.DURABLE, 64)
    with pytest.raises(ConfigError, match="durable and via tcp"):
        make().publisher("cam", [durable])
    with pytest.raises(ConfigError, match="durable and via tcp"):
        make().subscriber([durable])


def test_entries_that_are_none_are_passed_over(make: Callable[..., TcpBroker]):
    camera = make()
    board = camera.board_for_tests
    for number, raw in enumerate((b"\xff", b"{}", b'{"group":"worker","host":"h","port":70000}')):
        board.post(f"{PREFIX}worker/{number}/h", raw)
    publisher = camera.publisher("cam", [WISH])
    worker = make().subscriber([WISH])
    found(camera, 1)
    publisher.publish(frame(0))
    assert worker.receive(5.0).frame.id == 0
    worker.close()


def test_a_partition_ends_with_the_newest_frames(make: Callable[..., TcpBroker]):
    port = free_port()
    gateway = TcpBroker("127.0.0.1", port, "127.0.0.1").subscriber([Subscription("cam", "web")])
    with Relay(("127.0.0.1", port), latency=0.005, jitter=0.005, loss=0.02) as relay:
        broker = TcpBroker("127.0.0.1", relay.port)
        publisher = broker.publisher("cam", [Subscription("cam", "web")])
        publisher.publish(frame(0))
        assert gateway.receive(5.0).frame.id == 0
        relay.stop()
        for number in range(1, 50):
            publisher.publish(frame(number))
            threading.Event().wait(0.05)
        relay.resume()
        seen = [0]
        while seen[-1] != 49:
            delivery = gateway.receive(10.0)
            assert delivery is not None
            seen.append(delivery.frame.id)
        assert seen == sorted(set(seen))
        broker.close()
    gateway.close()


def test_the_address_that_is_told(monkeypatch: pytest.MonkeyPatch):
    assert own_host("127.0.0.1") == "127.0.0.1"
    assert own_host("10.1.2.3") == "10.1.2.3"
    assert own_host("node.local") == "node.local"
    assert own_host("0.0.0.0") not in ("", "0.0.0.0")
    monkeypatch.setenv("EDGEFLOW_ADVERTISE", "cam.example")
    assert own_host("0.0.0.0") == "cam.example"
