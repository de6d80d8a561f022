"""The RESP codec against any bytes, and against the codec of hiredis."""

from collections.abc import Iterator
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.comms.redis.resp import MAX_DEPTH, ReplyError, ReplyReader, pack


class EndOfBytesError(Exception):
    """The bytes of a test are used up."""


def reader_of(data: bytes, steps: Iterator[int] | None = None) -> ReplyReader:
    """Return a reader that gets ``data`` in steps of these lengths, over and over."""
    rest = memoryview(data)

    def receive(target: memoryview, _whole: bool) -> int:
        nonlocal rest
        count = min(len(rest), len(target), next(steps) if steps else len(rest))
        if not count:
            raise EndOfBytesError
        target[:count] = rest[:count]
        rest = rest[count:]
        return count

    return ReplyReader(receive)


def spelled(reply: Any) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n" % len(reply) + b"".join([spelled(item) for item in reply])


def plain(reply: Any) -> Any:
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    return bytes(reply) if isinstance(reply, memoryview) else reply


def cycle(lengths: list[int]) -> Iterator[int]:
    while True:
        yield from lengths


strings = st.binary(max_size=50) | st.sampled_from([b"\r\n" * 20_000, bytes(40_000), b"x" * 65_537])
replies = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | strings,
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)
lengths = st.lists(st.sampled_from([1, 2, 3, 7, 100, 5000, 100_000]), min_size=1, max_size=5)


@given(st.lists(replies, min_size=1, max_size=3), lengths.filter(lambda some: max(some) > 50))
def test_replies_arrive_however_they_are_cut(sent: list[Any], some: list[int]):
    reader = reader_of(b"".join([spelled(reply) for reply in sent]), cycle(some))
    assert [plain(reader.read()) for _ in sent] == sent
    assert not reader.has_data


@given(
    st.lists(
        st.binary(max_size=30)
        | st.builds(
            lambda kind, number, end: kind + str(number).encode() + end,
            st.sampled_from([b"+", b"-", b":", b"$", b"*", b"!"]),
            st.integers(-2, 2**33) | st.sampled_from(["", "x", "9" * 5000]),
            st.sampled_from([b"\r\n", b"\n", b""]),
        ),
        max_size=8,
    ).map(b"".join)
)
def test_any_bytes_end_in_a_clear_refusal(data: bytes):
    reader = reader_of(data)
    with pytest.raises((ValueError, EndOfBytesError)):
        while True:
            reader.read()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"$4294967296\r\n", "announced 4294967296 bytes"),
        (b"*1048577\r\n", "announced 1048577 items"),
        (b"*1\r\n" * 100_000, f"at level {MAX_DEPTH + 1}"),
        (b"+" + b"x" * 200_000, "without end"),
        (b"$3\r\nabcdef\r\n", "more came"),
        (b"%1\r\n+a\r\n+b\r\n", "sent b'%1'"),
    ],
)
def test_what_no_server_sends_is_refused(data: bytes, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        reader_of(data).read()


def test_refusals_are_values():
    refusal = reader_of(b"-NOGROUP no such \xff\r\n").read()
    assert isinstance(refusal, ReplyError)
    assert refusal.kind == "NOGROUP"


words = st.text(max_size=20) | st.binary(max_size=20) | st.integers()
pieces = st.lists(st.sampled_from([b"", b"header", bytes(100_000), b"y" * 40_000]), max_size=3)


@given(st.lists(st.lists(words | pieces.map(tuple), min_size=1, max_size=5), max_size=3))
def test_commands_are_what_hiredis_reads(commands: list[list[Any]]):
    other = hiredis.Reader()
    other.feed(b"".join(pack(commands)))
    for command in commands:
        assert other.gets() == [_as_bytes(part) for part in command]
    assert other.gets() is False


@given(st.lists(words, min_size=1, max_size=5))
def test_what_hiredis_writes_is_read(command: list[Any]):
    data = hiredis.pack_command(tuple(command))
    assert reader_of(data).read() == [_as_bytes(part) for part in command]


def _as_bytes(part: Any) -> bytes:
    if isinstance(part, tuple):
        return b"".join(part)
    return part if isinstance(part, bytes) else str(part).encode()
