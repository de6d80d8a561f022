from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ProtocolError
from edgeflow.protocols.framing import (
    CobsFraming,
    Framing,
    LengthFraming,
    LineFraming,
    cobs_decode,
    cobs_encode,
)

MAKERS: list[Callable[[int], Framing]] = [LineFraming, CobsFraming, LengthFraming]
LINES = st.binary(min_size=1, max_size=400).filter(lambda b: b"\n" not in b and b[-1:] != b"\r")


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@pytest.mark.parametrize("make", MAKERS)
@given(messages=st.lists(LINES, max_size=8), sizes=st.lists(st.integers(0, 300), max_size=20))
def test_messages_survive_however_they_are_cut(
    make: Callable[[int], Framing], messages: list[bytes], sizes: list[int]
) -> None:
    framing = make(1000)
    stream = b"".join(framing.encode(message) for message in messages)
    found = [message for piece in cut(stream, sizes) for message in framing.feed(piece)]
    assert found == messages
    assert framing.discarded == 0


@pytest.mark.parametrize("make", MAKERS)
@given(noise=st.lists(st.binary(max_size=300), max_size=10))
def test_noise_gives_bounded_messages_or_an_error(
    make: Callable[[int], Framing], noise: list[bytes]
) -> None:
    framing = make(50)
    for piece in noise:
        try:
            assert all(len(message) <= 50 for message in framing.feed(piece))
        except ProtocolError:
            assert framing.discarded


@given(st.binary(max_size=2000))
def test_cobs_round_trip_without_zeros(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert b"\0" not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255))),
    ],
)
def test_cobs_examples_of_the_paper(data: bytes, encoded: bytes) -> None:
    assert cobs_decode(encoded) == data
    assert cobs_encode(data).startswith(encoded)


@pytest.mark.parametrize("bad", [b"\x05a", b"\0", b"\x02\0"])
def test_cobs_that_is_none_is_refused(bad: bytes) -> None:
    with pytest.raises(ProtocolError):
        cobs_decode(bad)


def test_what_is_too_large_is_skipped_and_counted() -> None:
    framing = LineFraming(10)
    assert framing.feed(b"x" * 100) == []
    assert framing.feed(b"yyy\nshort\r\n\nnext\n") == [b"short", b"next"]
    assert framing.discarded == 103


def test_a_length_that_lies_is_an_error() -> None:
    framing = LengthFraming(10, size=4, big_endian=False)
    assert framing.feed(b"\x02\0\0\0hi") == [b"hi"]
    with pytest.raises(ProtocolError):
        framing.feed(b"\xff\xff\xff\xff")


def test_what_cannot_be_framed_is_refused() -> None:
    with pytest.raises(ProtocolError):
        LineFraming(10).encode(b"a\nb")
    with pytest.raises(ProtocolError):
        LengthFraming(1000, size=1).encode(b"x" * 256)
