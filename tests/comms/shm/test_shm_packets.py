"""The packets: round trips, arbitrary bytes, and foreign peers that misbehave."""

import contextlib
import fcntl
import json
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shm_kit import descriptors, until

from edgeflow.comms.brokers import ShmBroker, Subscription
from edgeflow.comms.shm import packets, places
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameDecodeError

NUMBERS = st.lists(st.integers(0, 2**64 - 1), max_size=packets.MAX_NUMBERS).map(tuple)
PARSERS = [
    packets.parse_welcome,
    packets.parse_segment,
    packets.parse_retire,
    packets.parse_frame,
    packets.parse_hello,
    packets.parse_update,
]
LATEST = Subscription("cam", "g", QoS.REALTIME)


@given(st.builds(packets.Update, *[st.booleans()] * 3, st.integers(0, 2**32 - 1),
                 st.integers(0, 2**64 - 1), NUMBERS, NUMBERS, NUMBERS))  # fmt: skip
def test_an_update_survives_the_round_trip(update: packets.Update):
    packet = packets.pack_update(update)
    assert len(packet) < packets.WRITER_BUFFER_BYTES
    assert packets.parse_update(packet) == update


@given(st.text(min_size=1, max_size=200), st.sampled_from(list(QoS)), st.integers(1, 65536))
def test_a_hello_survives_the_round_trip(group: str, qos: QoS, capacity: int):
    hello = packets.Hello(packets.VERSION, group, "0", qos, capacity)
    assert packets.parse_hello(packets.pack_hello(hello)) == hello


@given(st.binary(max_size=200), st.sampled_from(range(8)))
def test_arbitrary_bytes_are_refused_or_parsed_never_more(junk: bytes, kind: int):
    for parse in PARSERS:
        for packet in (junk, bytes([kind]) + junk):
            try:
                parse(packet)
            except FrameDecodeError:
                continue


@pytest.mark.parametrize(
    "packet",
    [
        b"\x05" + b"{" * 5000,
        b"\x05{}",
        b'\x05{"version":9,"group":"g","member":"0","qos":"realtime","capacity":1}',
        b'\x05{"version":1,"group":"","member":"0","qos":"realtime","capacity":1}',
        b'\x05{"version":1,"group":"g","member":"0","qos":"realtime","capacity":99999999}',
        b'\x05{"version":1,"group":"g","member":"0","qos":"best","capacity":1}',
        packets.pack_update(packets.Update(True, False, False, 0, 0, (), (), ())),
        os.urandom(300),
    ],
)
def test_a_reader_that_does_not_greet_properly_is_dropped(shm: ShmBroker, run_dir: Path, packet):
    publisher = shm.publisher("cam", [LATEST])
    with _visit(run_dir) as visitor:
        visitor.send(packet)
        assert _was_dropped(visitor)
    _still_works(shm, publisher)
    publisher.close()


@pytest.mark.parametrize(
    "packet",
    [
        b"\x06",
        b"\x06" * 19,
        packets.pack_update(packets.Update(True, False, False, 0, 5, (), (), ())),
        packets.pack_update(packets.Update(True, False, False, 0, 0, (7,), (), ())),
        packets.pack_update(packets.Update(True, False, False, 0, 0, (), (9,), ())),
        packets.pack_update(packets.Update(True, True, True, 0, 0, (), (), (9,))),
        bytes(packets.WRITER_BUFFER_BYTES + 100),
        b"",
    ],
)
def test_a_reader_that_lies_is_dropped(shm: ShmBroker, run_dir: Path, packet: bytes):
    publisher = shm.publisher("cam", [LATEST])
    with _visit(run_dir) as visitor:
        hello = packets.Hello(packets.VERSION, "liar", "0", QoS.DURABLE, 4)
        visitor.send(packets.pack_hello(hello))
        visitor.recv(100)
        visitor.send(packet)
        if packet:
            assert _was_dropped(visitor)
    _still_works(shm, publisher)
    until(lambda: list(publisher.links) == ["g"])
    publisher.close()


def _memory(size: int, *, sealed: bool = True, allocated: bool = True) -> int:
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    if allocated:
        os.posix_fallocate(descriptor, 0, size)
    if sealed:
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return descriptor


def _frame(**changes: int) -> bytes:
    fields = {"attempt": 1, "lease_limit": 4, "generation": 0, "sequence": 1, "segment": 1,
              "number": 1, "offset": 0, "length": 100}  # fmt: skip
    return packets.pack_frame(**{**fields, **changes})


def _inline(message: bytes) -> bytes:
    return _frame(segment=packets.ABSENT, length=len(message)) + message


def _message(**changes: object) -> bytes:
    info = {"v": 2, "k": "a", "dtype": "|u1", "shape": [8], **changes}
    meta = json.dumps({"_ef": info}).encode()
    return struct.pack("!IdI", 1, 0.0, len(meta)) + meta + bytes(8)


@dataclass
class Lie:
    """What a false publisher sends: a segment, perhaps, and then a packet."""

    packet: bytes = b""
    size: int = 0
    announced: int = 8192
    sealed: bool = True
    allocated: bool = True

    def tell(self, visitor: socket.socket) -> None:
        if self.size:
            descriptor = _memory(self.size, sealed=self.sealed, allocated=self.allocated)
            socket.send_fds(visitor, [packets.pack_segment(1, self.announced)], [descriptor])
            os.close(descriptor)
        if self.packet:
            visitor.send(self.packet)


LIES = {
    "junk": Lie(b"junk"),
    "welcome without a page": Lie(packets.pack_welcome()),
    "segment without memory": Lie(packets.pack_segment(1, 8192)),
    "segment of a petabyte": Lie(size=8192, announced=1 << 50),
    "segment larger than its memory": Lie(size=4096),
    "memory that can shrink": Lie(size=8192, sealed=False),
    "memory that is a hole": Lie(size=8192, allocated=False),
    "frame in no segment": Lie(_frame(segment=3)),
    "frame over the end": Lie(_frame(offset=8100), 8192),
    "frame that wraps around": Lie(_frame(offset=2**64 - 50), 8192),
    "frame of nothing": Lie(_frame(length=0), 8192),
    "frame never written": Lie(_frame(), 8192),
    "inline frame too short": Lie(_frame(segment=0) + b"short"),
    "inline frame too long": Lie(_frame(segment=0, length=100) + bytes(101)),
    "inline frame of junk": Lie(_frame(segment=0) + b"\xff" * 100),
    "inline frame of zeros": Lie(_frame(segment=0) + bytes(100)),
    "frame of 4 GiB": Lie(_frame(length=1 << 32), 8192),
    "frame whose meta is longer than it": Lie(_inline(struct.pack("!IdI", 1, 0.0, 1 << 31))),
    "frame whose array is larger than it": Lie(_inline(_message(shape=[1 << 40, 3]))),
    "frame whose array is smaller than it": Lie(_inline(_message(shape=[1]))),
    "frame of objects": Lie(_inline(_message(dtype="|O"))),
    "packet too long": Lie(_frame() + bytes(20000)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_writer_that_lies_is_dropped(shm: ShmBroker, run_dir: Path, lie: Lie):
    before = descriptors()
    folder = places.topic_folder(run_dir, shm.app, "cam")
    server, path = places.listen(folder, "cam", 1)
    subscriber = shm.subscriber([LATEST])
    server.settimeout(5)
    visitor, _ = server.accept()
    path.unlink()
    server.close()
    with visitor:
        visitor.settimeout(5)
        lie.tell(visitor)
        assert subscriber.receive(0.2) is None
        assert _was_dropped(visitor)
    publisher = shm.publisher("cam", [LATEST])
    publisher.publish(Frame(data=b"good"))
    assert subscriber.receive(2).frame.data == b"good"
    publisher.close()
    subscriber.close()
    assert descriptors() == before


JUNK = st.lists(
    st.builds(lambda kind, rest: bytes([kind]) + rest, st.integers(0, 7), st.binary(max_size=80)),
    min_size=1,
    max_size=5,
)
LIVE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@LIVE
@given(st.booleans(), JUNK)
def test_a_publisher_survives_any_packets(shm, run_dir, greet: bool, junk: list[bytes]):
    with contextlib.closing(shm.publisher("cam", [LATEST])) as publisher:
        with _visit(run_dir) as visitor:
            if greet:
                hello = packets.Hello(packets.VERSION, "x", "0", QoS.BALANCED, 4)
                visitor.send(packets.pack_hello(hello))
            with contextlib.suppress(OSError):
                for packet in junk:
                    visitor.send(packet)
            publisher.publish(Frame(data=b"during"))
        _still_works(shm, publisher)


@LIVE
@given(JUNK, st.booleans())
def test_a_subscriber_survives_any_packets(shm, run_dir, junk: list[bytes], descriptor: bool):
    folder = places.topic_folder(run_dir, shm.app, "cam")
    server, path = places.listen(folder, "cam", 1)
    with server, contextlib.closing(shm.subscriber([LATEST])) as subscriber:
        server.settimeout(5)
        visitor, _ = server.accept()
        with visitor:
            memory = _memory(8192)
            socket.send_fds(visitor, [packets.pack_segment(1, 8192)], [memory])
            os.close(memory)
            with contextlib.suppress(OSError):
                for packet in junk:
                    socket.send_fds(visitor, [packet], [0] if descriptor else [])
            subscriber.receive(0)
            subscriber.receive(0)
        path.unlink()
        with contextlib.closing(shm.publisher("cam", [LATEST])) as publisher:
            publisher.publish(Frame(data=b"good", id=2**32 + 1))
            until(lambda: getattr(subscriber.receive(1), "frame", Frame(data=0)).id > 2**32)


def _visit(run_dir: Path) -> socket.socket:
    folder = places.topic_folder(run_dir, ShmBroker.app, "cam")
    (name,) = places.sockets_in(folder)
    visitor = places.connect(folder, name)
    assert visitor is not None
    visitor.settimeout(5)
    return visitor


def _was_dropped(visitor: socket.socket) -> bool:
    for _ in range(5):
        try:
            if not visitor.recv(1000):
                return True
        except ConnectionResetError:
            return True
    return False


def _still_works(shm: ShmBroker, publisher) -> None:
    subscriber = shm.subscriber([LATEST])
    publisher.publish(Frame(data=np.ones(20000, np.uint8)))
    assert subscriber.receive(2).frame.data.sum() == 20000
    subscriber.close()
