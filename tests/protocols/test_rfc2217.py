import struct

from hypothesis import given
from hypothesis import strategies as st

from edgeflow.protocols.rfc2217 import Baud, Data, Lines, Purge, Rfc2217Server, escape

IAC, SB, SE = 255, 250, 240


def option(kind: int, value: bytes) -> bytes:
    return bytes([IAC, SB, 44, kind]) + escape(value) + bytes([IAC, SE])


@given(st.binary(max_size=300), st.integers(1, 40))
def test_plain_bytes_come_through_however_they_are_cut(data: bytes, cut: int) -> None:
    server, wire = Rfc2217Server(), escape(data)
    events = [event for i in range(0, len(wire), cut) for event in server.feed(wire[i : i + cut])]
    assert b"".join(event.data for event in events if isinstance(event, Data)) == data
    assert server.answers() == b""


@given(st.binary(max_size=600))
def test_any_bytes_are_taken_and_the_memory_stays_small(data: bytes) -> None:
    server = Rfc2217Server()
    server.feed(data)
    server.feed(bytes([IAC, SE, IAC, SE]) + 200 * b"x")
    assert server.feed(option(1, struct.pack("!I", 9600)))[-1:] == [Baud(9600)]


def test_an_option_that_never_ends_is_dropped() -> None:
    server = Rfc2217Server()
    server.feed(bytes([IAC, SB, 44]) + 500 * b"x")
    assert server.feed(b"on") == [Data(b"on")]


def test_events_keep_their_place_between_the_bytes() -> None:
    server = Rfc2217Server()
    wire = b"a" + option(5, b"\x08") + b"b" + option(5, b"\x0b") + option(5, b"\x09") + b"c"
    assert server.feed(wire) == [
        Data(b"a"),
        Lines(True, False),
        Data(b"b"),
        Lines(True, True),
        Lines(False, True),
        Data(b"c"),
    ]
    assert server.answers() == option(105, b"\x08") + option(105, b"\x0b") + option(105, b"\x09")


def test_a_rate_is_confirmed_with_its_escape() -> None:
    server = Rfc2217Server()
    assert server.feed(option(1, struct.pack("!I", 0xFF00))) == [Baud(0xFF00)]
    assert server.answers() == option(101, struct.pack("!I", 0xFF00))
    assert server.feed(option(1, bytes(4))) == []
    assert server.answers() == option(101, struct.pack("!I", 0xFF00))


def test_queries_and_purges_are_answered() -> None:
    server = Rfc2217Server()
    assert server.feed(option(12, b"\x01")) == [Purge()]
    assert server.feed(option(12, b"\x02") + option(7, b"") + option(2, b"\0")) == []
    server.answers()
    server.feed(option(5, b"\x08") + option(5, b"\x07") + option(5, b"\x0a") + option(5, b"\0"))
    answers = b"".join(option(105, bytes([value])) for value in (8, 8, 12, 1))
    assert server.answers() == answers


def test_options_are_agreed_once_and_unknown_ones_refused() -> None:
    server = Rfc2217Server()
    server.feed(bytes([IAC, 251, 44, IAC, 253, 44, IAC, 251, 44, IAC, 253, 1, IAC, 254, 44]))
    assert server.answers() == bytes([IAC, 253, 44, IAC, 251, 44, IAC, 252, 1, IAC, 252, 44])
