"""What brokers say to each other, as MessagePack; frames travel behind a ``Data`` header.

The publisher's end of a link is a **source**, one per topic and broker; the member's end is a
**feed**. Frames of a link are numbered from 1 (``seq``); a feed says up to which of them the source
may send (``limit``), so nothing is sent that nobody waits for. An ``Update`` is the whole state of
a feed, so that a lost one does no harm.
"""

from typing import TypeAlias

import msgspec

from edgeflow.errors import FrameDecodeError

__all__ = [
    "Beat",
    "Body",
    "Data",
    "Echo",
    "Gone",
    "Goodbye",
    "Join",
    "Leave",
    "Newest",
    "Update",
    "Welcome",
    "pack",
    "pack_data",
    "unpack",
    "unpack_data",
]

MAX_MESSAGE_BYTES = 1 << 20


class Join(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To a source: a member would like its frames."""

    source: str
    link: int
    group: str
    member: str
    qos: str
    capacity: int


class Welcome(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To a feed: its link is open."""

    link: int


class Update(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To a source: everything a feed knows.

    Attributes:
        received: the last frame that arrived, without a gap before it.
        limit: frames up to this one may be sent.
        begun: the last frame that was handed to the node.
        acked_below: everything below is done with.
        acked: so are these.
        attempts: frames that were refused, and the number of their next delivery.
        look: above 0 asks for the newest frame, whatever the limit, and a ``Newest``.
        resend: what follows ``received`` was lost.
    """

    link: int
    received: int
    limit: int
    begun: int
    acked_below: int
    acked: list[int]
    attempts: list[tuple[int, int]]
    look: int = 0
    resend: bool = False


class Newest(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To a feed: the answer to its look; the newest frame, which has been sent, is ``seq``."""

    link: int
    look: int
    seq: int


class Leave(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To a source: the last update; ``delivered`` are frames that the node had begun."""

    update: Update
    delivered: list[int]


class Gone(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To either end: I know no such link."""

    link: int


class Goodbye(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """To a feed: the source ends; what has arrived may still be processed."""

    link: int


class Beat(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """Every half second: the sender's clock, and the last frame sent on each link."""

    host: str
    sent_ns: int
    links: list[tuple[int, int]]


class Echo(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """The answer: the asker's stamp, when it arrived here, and when this left."""

    host: str
    asked_ns: int
    arrived_ns: int
    sent_ns: int


class Data(msgspec.Struct, array_like=True, frozen=True):
    """What stands before a frame.

    Attributes:
        link, seq: place on the link.
        origin, number: identity of the frame for as long as its source remembers it.
        attempt: 1 for the first delivery.
        again: True when somebody may have seen it.
    """

    link: int
    seq: int
    origin: str
    number: int
    attempt: int
    again: bool


Body: TypeAlias = Join | Welcome | Update | Newest | Leave | Gone | Goodbye | Beat | Echo

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[str, Body])
_data_decoder = msgspec.msgpack.Decoder(Data)


def pack(peer: str, body: Body) -> bytes:
    """Return a message from ``peer``."""
    return _encoder.encode((peer, body))


def unpack(raw: bytes) -> tuple[str, Body]:
    """Return who sent a message, and what.

    Raises:
        FrameDecodeError: it is none.
    """
    if len(raw) > MAX_MESSAGE_BYTES:
        raise FrameDecodeError(f"a message of {len(raw)} bytes; the limit is {MAX_MESSAGE_BYTES}")
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameDecodeError(f"not a message: {error}") from None


def pack_data(header: Data) -> bytes:
    """Return the bytes of a header."""
    return _encoder.encode(header)


def unpack_data(raw: bytes) -> Data:
    """Return a header.

    Raises:
        FrameDecodeError: it is none.
    """
    try:
        return _data_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameDecodeError(f"not a header: {error}") from None
