"""The packets between a writer and its readers, packed and parsed with bounds checks. Sans-I/O.

One packet per message of a SOCK_SEQPACKET socket, little-endian. From the writer: ``WELCOME`` (with
the descriptor of the page that holds the newest sequence number), ``SEGMENT`` (with a descriptor),
``RETIRE`` and ``FRAME``. From the reader: ``HELLO`` once, then ``UPDATE``.

Every frame sent to one reader has a **number**, counted from 1 for that reader. What the reader
says later (released, acknowledged, refused) names numbers, so it can only name what it was given.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edgeflow.core.qos import QoS
from edgeflow.errors import FrameDecodeError

__all__ = [
    "ABSENT",
    "FRAME",
    "INLINE_BYTES",
    "MAX_NUMBERS",
    "READER_BUFFER_BYTES",
    "WRAP",
    "WRITER_BUFFER_BYTES",
    "FrameHead",
    "Hello",
    "Update",
    "kind_of",
    "pack_frame",
    "pack_hello",
    "pack_retire",
    "pack_segment",
    "pack_update",
    "pack_welcome",
    "parse_frame",
    "parse_hello",
    "parse_retire",
    "parse_segment",
    "parse_update",
    "parse_welcome",
]

VERSION = 1
WELCOME, SEGMENT, RETIRE, FRAME, HELLO, UPDATE = range(1, 7)

INLINE_BYTES = 8192
"""Messages up to this size travel inside the packet: two small copies beat a slot's bookkeeping."""

MAX_NUMBERS = 256
"""Numbers of one sort in one UPDATE; more go into further packets."""

MAX_NAME = 512
MAX_CAPACITY = 1 << 16
WRAP = 0xFFFFFFFF
"""Sequences and generations count modulo 2**32: the mask for it."""

ABSENT = 0
"""The segment id of a frame whose bytes follow in the packet."""

_WELCOME = struct.Struct("<BBxx")
_SEGMENT = struct.Struct("<BxxxIQ")
_RETIRE = struct.Struct("<BxxxI")
_FRAME = struct.Struct("<BBHIIIQQQ")
_UPDATE = struct.Struct("<BBHHHIQ")
_NUMBER = struct.Struct("<Q")

READER_BUFFER_BYTES = _FRAME.size + INLINE_BYTES + 64
WRITER_BUFFER_BYTES = _UPDATE.size + 3 * MAX_NUMBERS * 8 + 64

_READY, _RETURN, _LEAVE = 1, 2, 4

Buffer = bytes | bytearray | memoryview


class Hello(msgspec.Struct):
    """What a reader wants."""

    version: int
    group: str
    member: str
    qos: QoS
    capacity: int


class FrameHead(NamedTuple):
    """Where a frame is, and which delivery this is.

    Attributes:
        attempt: 1, or more when the frame may have been seen before.
        lease_limit: leases that the reader may hold before it should copy.
        generation: the reader's generation the writer knew of when it sent this.
        sequence: the writer's count of published frames, modulo 2**32.
        segment: id of the segment, or ABSENT when the message follows the head.
        number: count of the frames sent to this reader, from 1.
        offset, length: place of the message (header and payload) in the segment.
    """

    kind: int
    attempt: int
    lease_limit: int
    generation: int
    sequence: int
    segment: int
    number: int
    offset: int
    length: int


class Update(NamedTuple):
    """What a reader tells.

    Attributes:
        ready: it waits for one more frame.
        returns: it gives back every frame above ``handed``, unseen; what was sent under an older
            ``generation`` it throws away.
        leaves: it leaves its group, but may still hold leases.
        handed: number of the last frame it gave to its user.
        releases, acks, refusals: numbers of frames.
    """

    ready: bool
    returns: bool
    leaves: bool
    generation: int
    handed: int
    releases: Sequence[int]
    acks: Sequence[int]
    refusals: Sequence[int]


_hello_encoder = msgspec.json.Encoder()
_hello_decoder = msgspec.json.Decoder(Hello)


def kind_of(packet: Buffer) -> int:
    """Return the kind of a packet, 0 for an empty one."""
    return packet[0] if packet else 0


def pack_welcome() -> bytes:
    """Return the packet that carries the page with the newest sequence number."""
    return _WELCOME.pack(WELCOME, VERSION)


def parse_welcome(packet: Buffer) -> None:
    """Check a WELCOME; raise ``FrameDecodeError`` when it is none or of another version."""
    _expect(packet, WELCOME, _WELCOME)
    if packet[1] != VERSION:
        raise FrameDecodeError(f"the writer speaks version {packet[1]}, not {VERSION}")


def pack_segment(number: int, size: int) -> bytes:
    """Return the packet that carries the descriptor of a segment of ``size`` bytes."""
    return _SEGMENT.pack(SEGMENT, number, size)


def parse_segment(packet: Buffer) -> tuple[int, int]:
    """Return id and size in bytes; raise ``FrameDecodeError`` when the packet is no SEGMENT."""
    _expect(packet, SEGMENT, _SEGMENT)
    _, number, size = _SEGMENT.unpack_from(packet)
    if number == ABSENT or not size:
        raise FrameDecodeError(f"segment {number} of {size} bytes is not valid")
    return number, size


def pack_retire(number: int) -> bytes:
    """Return the packet that says that a segment will not be used again."""
    return _RETIRE.pack(RETIRE, number)


def parse_retire(packet: Buffer) -> int:
    """Return the id; raise ``FrameDecodeError`` when the packet is no RETIRE."""
    _expect(packet, RETIRE, _RETIRE)
    return int(_RETIRE.unpack_from(packet)[1])


def pack_frame(
    *,
    attempt: int,
    lease_limit: int,
    generation: int,
    sequence: int,
    segment: int,
    number: int,
    offset: int,
    length: int,
) -> bytes:
    """Return the head of a frame; an inline message is appended by the caller."""
    return _FRAME.pack(
        FRAME, attempt, lease_limit, generation, sequence, segment, number, offset, length
    )


def parse_frame(packet: Buffer) -> tuple[FrameHead, bytes]:
    """Return the head and the inline message (empty when the frame is in a segment).

    Raises:
        FrameDecodeError: too short, or an inline length that does not match.
    """
    if len(packet) < _FRAME.size:
        raise FrameDecodeError(f"a frame packet of {len(packet)} bytes is too short")
    head = FrameHead._make(_FRAME.unpack_from(packet))
    if head.segment != ABSENT:
        return head, b""
    message = bytes(packet[_FRAME.size :])
    if len(message) != head.length:
        raise FrameDecodeError(f"inline frame of {head.length} bytes has {len(message)}")
    return head, message


def pack_hello(hello: Hello) -> bytes:
    """Return the reader's first packet."""
    return bytes([HELLO]) + _hello_encoder.encode(hello)


def parse_hello(packet: Buffer) -> Hello:
    """Return the reader's wish; raise ``FrameDecodeError`` when it is not valid."""
    if kind_of(packet) != HELLO:
        raise FrameDecodeError(f"expected HELLO, got kind {kind_of(packet)}")
    try:
        hello = _hello_decoder.decode(packet[1:])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise FrameDecodeError(f"HELLO is not valid: {error}") from None
    if hello.version != VERSION:
        raise FrameDecodeError(f"the reader speaks version {hello.version}, not {VERSION}")
    if not 1 <= hello.capacity <= MAX_CAPACITY:
        raise FrameDecodeError(f"capacity {hello.capacity} is not from 1 to {MAX_CAPACITY}")
    if not hello.group or len(hello.group) > MAX_NAME or len(hello.member) > MAX_NAME:
        raise FrameDecodeError("group or member name is empty or too long")
    return hello


def pack_update(update: Update) -> bytes:
    """Return the packet for ``update``; no list may exceed ``MAX_NUMBERS``."""
    releases, acks, refusals = update.releases, update.acks, update.refusals
    flags = update.ready * _READY | update.returns * _RETURN | update.leaves * _LEAVE
    head = _UPDATE.pack(
        UPDATE, flags, len(releases), len(acks), len(refusals), update.generation, update.handed
    )
    numbers = (*releases, *acks, *refusals)
    if len(numbers) == 1:
        return head + _NUMBER.pack(numbers[0])
    return head + struct.pack(f"<{len(numbers)}Q", *numbers) if numbers else head


def parse_update(packet: Buffer) -> Update:
    """Return what a reader tells; raise ``FrameDecodeError`` when counts and size differ."""
    if len(packet) < _UPDATE.size or packet[0] != UPDATE:
        raise FrameDecodeError(f"expected UPDATE, got {len(packet)} bytes, kind {kind_of(packet)}")
    _, flags, releases, acks, refusals, generation, handed = _UPDATE.unpack_from(packet)
    total = releases + acks + refusals
    if max(releases, acks, refusals) > MAX_NUMBERS or len(packet) != _UPDATE.size + 8 * total:
        raise FrameDecodeError(f"UPDATE of {len(packet)} bytes cannot hold {total} numbers")
    numbers = struct.unpack_from(f"<{total}Q", packet, _UPDATE.size) if total else ()
    return Update(
        bool(flags & _READY),
        bool(flags & _RETURN),
        bool(flags & _LEAVE),
        generation,
        handed,
        numbers[:releases],
        numbers[releases : releases + acks],
        numbers[releases + acks :],
    )


def _expect(packet: Buffer, kind: int, layout: struct.Struct) -> None:
    if kind_of(packet) != kind or len(packet) != layout.size:
        raise FrameDecodeError(f"packet of kind {kind_of(packet)} and {len(packet)} bytes")
