"""Bytes from outside: any split of the stream gives the same packets, and nothing is unbounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.comms.mqtt.cutter import OVERSIZED, Cutter
from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.errors import ProtocolError


def packet(first: int, body: bytes) -> bytes:
    length, head = len(body), bytearray([first])
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes(head) + body


def publish(topic: bytes, payload: bytes, mid: int = 0) -> bytes:
    body = len(topic).to_bytes(2) + topic + (mid.to_bytes(2) if mid else b"") + payload
    return packet(0x32 if mid else 0x30, body)


PACKETS = st.lists(
    st.one_of(
        st.builds(packet, st.sampled_from([0x20, 0x40, 0x90, 0xD0]), st.binary(max_size=40)),
        st.builds(publish, st.binary(max_size=9), st.binary(max_size=300), st.integers(0, 65535)),
    ),
    max_size=8,
)


def cut(cutter: Cutter, stream: bytes, sizes: list[int]) -> list[bytes | Incoming]:
    """What comes out, one by one."""
    out: list[bytes | Incoming] = []
    start = 0
    for size in [*sizes, len(stream)]:
        for item in cutter.feed(stream[start : start + size], now=3.0):
            out += item if isinstance(item, list) else [item]
        start += size
    return out


def read(one: bytes, version_5: bool) -> bytes | Incoming:
    """What should come out for one whole packet."""
    start = 2 if one[1] < 128 else 3
    if one[0] not in (0x30, 0x32) or len(one) < start + 2:
        return one
    end = start + 2 + int.from_bytes(one[start : start + 2])
    body = end + 2 * (one[0] == 0x32)
    if version_5:
        if one[body : body + 1] != b"\0":
            return one
        body += 1
    mid = int.from_bytes(one[end : end + 2]) if one[0] == 0x32 else 0
    try:
        topic = one[start + 2 : end].decode()
    except UnicodeDecodeError:
        return one
    if not topic:
        return one
    payload = one[body:]
    return Incoming(
        topic=topic, payload=payload, qos=int(mid > 0), received=3.0, connection=9, mid=mid
    )


@given(PACKETS, st.lists(st.integers(1, 50), max_size=30), st.booleans())
def test_the_stream_comes_out_whole_however_it_was_split(
    packets: list[bytes], sizes: list[int], version_5: bool
) -> None:
    cutter = Cutter(4096, version_5=version_5, connection=9)
    expected = [read(one, version_5) for one in packets]
    assert cut(cutter, b"".join(packets), sizes) == expected


@pytest.mark.parametrize(
    ("first", "qos", "retain", "duplicate"),
    [
        (0x30, 0, False, False),
        (0x31, 0, True, False),
        (0x32, 1, False, False),
        (0x33, 1, True, False),
        (0x3A, 1, False, True),
        (0x3B, 1, True, True),
    ],
)
def test_flags_are_read(first: int, qos: int, retain: bool, duplicate: bool) -> None:
    body = b"\0\1t" + (b"\1\2" if qos else b"") + b"25.5"
    (message,) = cut(Cutter(100, version_5=False), packet(first, body), [])
    assert message == Incoming(
        topic="t",
        payload=b"25.5",
        qos=qos,
        retain=retain,
        duplicate=duplicate,
        received=3.0,
        mid=258 * qos,
    )


@pytest.mark.parametrize(
    "one",
    [
        packet(0x34, b"\0\1t\0\1x"),  # QoS 2 has a state
        packet(0x36, b"\0\1t\0\1x"),
        packet(0x38, b"\0\1tx"),  # a duplicate at QoS 0
        packet(0x30, b"\0\0x"),  # no topic
        packet(0x30, b"\0\1\xff"),  # not UTF-8
        packet(0x32, b"\0\1t\0\0x"),  # packet id 0
        packet(0x32, b"\0\1t\0"),
        packet(0x30, b"\0\5t"),
        packet(0x30, b"\0"),
        packet(0x30, b""),
    ],
)
def test_what_is_unusual_is_left_as_it_is(one: bytes) -> None:
    assert cut(Cutter(100, version_5=False), one, [1, 1, 1]) == [one]


@given(PACKETS, st.lists(st.integers(1, 50), max_size=30), st.booleans())
def test_long_messages_become_stubs_that_can_be_acknowledged(
    packets: list[bytes], sizes: list[int], version_5: bool
) -> None:
    cutter = Cutter(100, version_5=version_5, connection=9)
    expected: list[bytes | Incoming] = []
    for one in packets:
        if len(one) <= 100:
            expected.append(read(one, version_5))
            continue
        start = 3  # a header byte and two of length: all are below 16 KiB
        end = start + 2 + int.from_bytes(one[start : start + 2])
        mid = one[end : end + 2] if one[0] & 6 else b""
        tail = b"\0" if version_5 else b""
        expected.append(packet(one[0], len(OVERSIZED).to_bytes(2) + OVERSIZED + mid + tail))
    assert cut(cutter, b"".join(packets), sizes) == expected
    assert len(cutter.oversized) == sum(len(one) > 100 for one in packets)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_arbitrary_bytes_give_packets_or_a_protocol_error(chunks: list[bytes]) -> None:
    cutter = Cutter(64, version_5=False)
    for chunk in chunks:
        try:
            cutter.feed(chunk)
        except ProtocolError:
            return


def test_a_length_without_end_and_a_long_answer_are_refused() -> None:
    with pytest.raises(ProtocolError, match="no end"):
        Cutter(1024, version_5=False).feed(b"\x30\xff\xff\xff\xff\x01")
    with pytest.raises(ProtocolError, match="type 9"):
        Cutter(1024, version_5=False).feed(packet(0x90, bytes(2000)))


def test_what_is_passed_over_is_not_held() -> None:
    cutter = Cutter(1024, version_5=False)
    cutter.feed(publish(b"big", b"", 7)[:1] + b"\xff\xff\x7f" + b"\0\3big\0\7")
    for _ in range(30):
        cutter.feed(bytes(65536))
    assert len(cutter._raw) == 0
    assert cutter.oversized == [(b"big", (128**3 - 1) + 4)]
