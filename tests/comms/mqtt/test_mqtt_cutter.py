"""Bytes from outside: any split of the stream gives the same packets, and nothing is unbounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.comms.mqtt.cutter import OVERSIZED, Cutter
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


def cut(cutter: Cutter, stream: bytes, sizes: list[int]) -> bytes:
    out, start = b"", 0
    for size in [*sizes, len(stream)]:
        out += cutter.feed(stream[start : start + size])
        start += size
    return out


@given(PACKETS, st.lists(st.integers(1, 50), max_size=30))
def test_the_stream_comes_out_whole_however_it_was_split(
    packets: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(packets)
    assert cut(Cutter(4096, version_5=False), stream, sizes) == stream


@given(PACKETS, st.lists(st.integers(1, 50), max_size=30), st.booleans())
def test_long_messages_become_stubs_that_can_be_acknowledged(
    packets: list[bytes], sizes: list[int], version_5: bool
) -> None:
    cutter = Cutter(100, version_5=version_5)
    expected = b""
    for one in packets:
        if len(one) <= 100:
            expected += one
            continue
        start = 3  # a header byte and two of length: all are below 16 KiB
        end = start + 2 + int.from_bytes(one[start : start + 2])
        mid = one[end : end + 2] if one[0] & 6 else b""
        tail = b"\0" if version_5 else b""
        expected += packet(one[0], len(OVERSIZED).to_bytes(2) + OVERSIZED + mid + tail)
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
