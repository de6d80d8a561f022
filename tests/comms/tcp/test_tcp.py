"""Direct links to a gateway: our sender, a sender of the old version, and hostile peers."""

import contextlib
import json
import socket
import struct
import threading
import time

import numpy as np
import pytest

from edgeflow.comms.brokers.base import Subscription
from edgeflow.comms.tcp import TcpBroker
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, FrameTooLargeError, PayloadError
from edgeflow.protocols.frames import encode_bytes
from flows import wait_until
from servers import free_port


@pytest.fixture
def broker():
    broker = TcpBroker("127.0.0.1", free_port(), "127.0.0.1")
    yield broker
    broker.close()


@pytest.fixture
def gateway(broker):
    wishes = [Subscription("cam", "web", QoS.BALANCED, 64), Subscription("det", "web")]
    subscriber = broker.subscriber(wishes)
    yield subscriber
    subscriber.close()


def frame(number: int, data=b"x", topic: str = "cam") -> Frame:
    return Frame(data=data, id=number, topic=topic, source=topic, sequence=number)


def test_frames_arrive_bit_for_bit(broker, gateway):
    image = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    publisher = broker.publisher("cam", [Subscription("cam", "web", QoS.BALANCED, 64)])
    assert publisher.publish(frame(1, image))
    delivery = gateway.receive(5.0)
    assert np.array_equal(delivery.frame.data, image)
    assert delivery.frame.id == 1
    assert publisher.links["web"].sent == 1


def test_a_payload_that_cannot_travel_is_refused_and_nothing_else_affected(broker, gateway):
    publisher = broker.publisher("cam", [Subscription("cam", "web", QoS.BALANCED, 64)])
    with pytest.raises(PayloadError, match="no JSON form"):
        publisher.publish(frame(1, {"what": object()}))
    assert publisher.links["web"].sent == 0
    assert publisher.publish(frame(2))
    delivery = gateway.receive(5.0)
    assert delivery.frame.id == 2


def test_a_frame_over_the_limit_is_refused(broker, monkeypatch):
    monkeypatch.setenv("EDGEFLOW_MAX_FRAME_BYTES", "2000")
    publisher = broker.publisher("cam", [Subscription("cam", "web")])
    for data in (np.zeros(2001, np.uint8), bytes(2001)):
        with pytest.raises(FrameTooLargeError, match="the limit is 2000"):
            publisher.publish(frame(1, data))


def test_an_absent_gateway_costs_the_node_nothing_and_is_reached_when_it_comes():
    broker = TcpBroker("127.0.0.1", free_port(), "127.0.0.1")
    publisher = broker.publisher("cam", [Subscription("cam", "web")])
    begun = time.monotonic()
    for number in range(100):
        publisher.publish(frame(number))
    assert time.monotonic() - begun < 4
    assert publisher.links["web"].dropped >= 98
    subscriber = broker.subscriber([Subscription("cam", "web")])
    assert subscriber.receive(5.0).frame.id == 99
    subscriber.close()
    broker.close()


def test_a_stalled_gateway_costs_the_node_nothing(broker):
    with socket.create_server(("127.0.0.1", broker.address[1])):  # accepts, never reads
        publisher = broker.publisher("cam", [Subscription("cam", "web")])
        image = np.zeros((1080, 1920, 3), np.uint8)
        begun = time.monotonic()
        for number in range(50):
            publisher.publish(frame(number, image))
            time.sleep(0.001)
        assert time.monotonic() - begun < 4
        assert publisher.links["web"].dropped > 40
        broker.close()


def old_frame(number: int, payload: bytes) -> bytes:
    meta = json.dumps({"trace": {"t0": 1.0}, "topic": "old_camera"}).encode()
    body = struct.pack("!IdI", number, 1.5, len(meta)) + meta + payload
    return struct.pack(">I", len(body)) + body


def test_a_version_1_sender_is_understood(broker, gateway):
    with socket.create_connection(broker.address) as peer:
        message = old_frame(7, b"\xff\xd8jpeg")
        for at in range(0, len(message), 5):
            peer.sendall(message[at : at + 5])
        delivery = gateway.receive(5.0)
    assert delivery.frame.topic == "old_camera"
    assert delivery.frame.data == b"\xff\xd8jpeg"


@pytest.mark.parametrize(
    "lie",
    [
        struct.pack(">I", 2**32 - 1) + b"x" * 100,
        struct.pack(">I", 20) + b"\xff" * 20,
        struct.pack(">I", 3) + b"abc",
    ],
    ids=["4 GiB announced", "a header that lies", "too short"],
)
def test_a_lying_peer_is_dropped_and_nobody_else_notices(broker, gateway, lie):
    publisher = broker.publisher("cam", [Subscription("cam", "web", QoS.BALANCED, 64)])
    with socket.create_connection(broker.address) as peer:
        peer.settimeout(5.0)
        peer.sendall(lie)
        with contextlib.suppress(ConnectionResetError):
            assert peer.recv(1) == b""
    publisher.publish(frame(1))
    assert gateway.receive(5.0).frame.id == 1


def test_a_silent_peer_that_used_to_ping_is_dropped(broker, gateway):
    with socket.create_connection(broker.address) as peer:
        peer.settimeout(5.0)
        peer.sendall(struct.pack("!Icq", 9, b"P", 123))
        length, kind, echoed, _ = struct.unpack("!Icqq", peer.recv(64))
        assert (length, kind, echoed) == (17, b"Q", 123)
        assert peer.recv(1) == b""


def test_a_slow_reader_gets_the_newest_and_drops_are_counted(broker, gateway):
    publisher = broker.publisher("det", [Subscription("det", "web")])
    for number in range(50):
        publisher.publish(frame(number, topic="det"))
        time.sleep(0.002)
    wait_until(lambda: publisher.links["web"].dropped + gateway.links["det"].dropped == 49)
    assert gateway.receive(2.0).frame.id == 49
    assert gateway.receive(0.05) is None


def test_clock_offset_to_the_same_host_is_about_zero(broker, gateway):
    publisher = broker.publisher("cam", [Subscription("cam", "web")])
    publisher.publish(frame(1))
    wait_until(lambda: broker.clock_offset_ns() is not None, 5)
    assert abs(broker.clock_offset_ns()) < 50_000_000


def test_a_taken_port_is_a_clear_error(broker, gateway):
    with pytest.raises(ConfigError, match=str(broker.address[1])):
        broker.subscriber([])


@pytest.fixture
def pictures(broker):
    """A JPEG link that holds three frames, what sends along it, and a sender of damaged ones."""
    wish = Subscription("cam@jpeg-90", "web", QoS.BALANCED, 3)
    subscriber = broker.subscriber([wish])
    publisher = broker.publisher(wish.topic, [wish], codec="jpeg:90")
    good = encode_bytes(frame(7, np.full((16, 16, 3), 90, np.uint8)), "jpeg:90")
    damaged = good.replace(b"\xff\xc0", b"\xff\xc4")  # no frame header, so no size
    with socket.create_connection(broker.address) as peer:

        def send(*messages: bytes) -> None:
            for message in messages:
                peer.sendall(struct.pack("!I", len(message)) + message)

        yield subscriber, publisher, send, good, damaged
    subscriber.close()


def waits(subscriber, depth: int) -> bool:
    subscriber.refresh()
    return subscriber.links["cam@jpeg-90"].depth == depth


def test_what_is_dropped_has_not_been_decoded(pictures, capsys):
    subscriber, _, send, good, damaged = pictures
    send(damaged, damaged, good, good, good)
    wait_until(lambda: subscriber.links["cam@jpeg-90"].dropped == 2)
    for _ in range(3):
        assert subscriber.receive(5.0).frame.data.shape == (16, 16, 3)
    assert subscriber.links["cam@jpeg-90"].dropped == 2
    assert "frame_given_up" not in capsys.readouterr().err


def test_a_damaged_picture_is_told_with_its_topic_and_costs_nobody_else_anything(pictures, capsys):
    subscriber, publisher, send, good, damaged = pictures
    send(damaged)
    wait_until(lambda: waits(subscriber, 1))
    assert subscriber.receive(0.05) is None
    counters = subscriber.links["cam@jpeg-90"]
    assert (counters.dropped, counters.received) == (1, 0)
    told = capsys.readouterr()
    assert all(
        word in told.out + told.err for word in ("frame_given_up", "cam@jpeg-90", "no image")
    )
    send(good)
    assert subscriber.receive(5.0).frame.id == 7
    publisher.publish(frame(8, np.zeros((8, 8, 3), np.uint8)))
    assert subscriber.receive(5.0).frame.id == 8


def test_a_flood_of_damaged_pictures_holds_receive_no_longer_than_asked(pictures):
    subscriber, _, send, _, damaged = pictures
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            send(damaged)

    thread = threading.Thread(target=flood)
    thread.start()
    begun = time.monotonic()
    assert subscriber.receive(0.3) is None
    over.set()
    thread.join()
    assert time.monotonic() - begun < 10


def test_frames_of_a_link_with_a_codec_count_for_it(broker):
    wish = Subscription("cam@jpeg-90", "web", QoS.BALANCED, 64)
    subscriber = broker.subscriber([wish])
    publisher = broker.publisher("cam@jpeg-90", [wish], codec="jpeg:90")
    for number in range(5):
        publisher.publish(frame(number, np.zeros((8, 8, 3), np.uint8)))
    for number in range(5):
        delivery = subscriber.receive(5.0)
        assert (delivery.frame.id, delivery.frame.topic) == (number, "cam")
        assert delivery.subscription is wish
    assert subscriber.links["cam@jpeg-90"].received == 5
    subscriber.close()
