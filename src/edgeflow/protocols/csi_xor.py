"""The reference's compressed frames, 0xC5110005: XOR with the frame before, run-length coded.

The packet names no reference and has no sequence, so whether a frame was decoded right cannot be
proved; what can be known is told.
"""

import struct
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from edgeflow.errors import PayloadError, ProtocolError
from edgeflow.protocols.csi_raw import MAX_PAIRS, RawFrame
from edgeflow.protocols.csi_wire import Magic, check_length, pack

__all__ = ["XorDecoded", "XorDecoder", "XorFrame", "XorMissing"]

_HEADER = struct.Struct("<IBBHH")
_WHAT = "a compressed CSI packet"
_MAX_RUN = 255


@dataclass(frozen=True, slots=True)
class XorFrame:
    """One compressed frame as it travels.

    Attributes:
        length: bytes of the frame it stands for.
        data: (value, run of 1 to 255) pairs of bytes, which expand to ``length``.
    """

    node: int
    channel: int
    length: int
    data: bytes

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            PayloadError: a value does not fit its field.
        """
        head = (Magic.XOR, self.node, self.channel, self.length, len(self.data))
        return pack(_WHAT, _HEADER, *head) + self.data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram; its runs are checked.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        if len(data) < _HEADER.size:
            raise ProtocolError(f"{_WHAT} ends in its header, at offset {len(data)}")
        magic, node, channel, length, packed = _HEADER.unpack_from(data)
        if magic != Magic.XOR:
            raise ProtocolError(f"{_WHAT} begins with {magic:#010x} at offset 0")
        if not 1 <= length <= 2 * MAX_PAIRS:
            raise ProtocolError(f"{_WHAT} stands for {length} bytes at offset 6")
        check_length(_WHAT, data, _HEADER.size + packed)
        body = bytes(data[_HEADER.size :])
        if packed % 2 or 0 in body[1::2]:
            raise ProtocolError(f"{_WHAT} has a broken run behind offset {_HEADER.size}")
        if sum(body[1::2]) != length:
            raise ProtocolError(
                f"{_WHAT} expands to {sum(body[1::2])} bytes, not {length} as offset 6 says"
            )
        return cls(node, channel, length, body)

    @classmethod
    def between(cls, node: int, channel: int, before: bytes, now: bytes) -> Self | None:
        """Compress a frame against the one before it.

        Returns:
            None when the frame is of another length, or would not be shorter.

        Raises:
            PayloadError: the frame is empty or too long.
        """
        if not 1 <= len(now) <= 2 * MAX_PAIRS:
            raise PayloadError(f"a frame of {len(now)} bytes cannot be compressed")
        if len(before) != len(now):
            return None
        out = bytearray()
        for value, run in groupby(_xor(before, now)):
            whole, rest = divmod(len(list(run)), _MAX_RUN)
            out += bytes((value, _MAX_RUN)) * whole + (bytes((value, rest)) if rest else b"")
        return cls(node, channel, len(now), bytes(out)) if len(out) < len(now) else None

    def expand(self, before: bytes) -> bytes:
        """Return the frame, given the one before it, which is as long."""
        runs = zip(self.data[::2], self.data[1::2], strict=True)
        return _xor(before, b"".join(bytes((value,)) * run for value, run in runs))


@dataclass(frozen=True, slots=True)
class XorDecoded:
    """A frame that was expanded.

    Attributes:
        proven: the frame itself also came as raw packet and equals this.
    """

    node: int
    payload: bytes
    proven: bool


@dataclass(frozen=True, slots=True)
class XorMissing:
    """A frame that cannot be expanded: no frame before it is known, or one of another length."""

    node: int
    wanted: int
    held: int


class XorDecoder:
    """Expands the compressed frames of many nodes.

    The reference's firmware sends each frame raw, and then, if it got shorter, compressed against
    the frame before. So after frame n came raw, the packet stands for frame n itself, and its
    reference is the raw frame with the sequence before. When raw frame n was lost, its reference is
    the last raw frame that came, if that was frame n - 1: this cannot be known, so the result is
    not proven.

    Args:
        max_nodes: the node that was quiet longest is forgotten beyond them.
    """

    def __init__(self, max_nodes: int = 256) -> None:
        self._frames: dict[int, tuple[RawFrame | None, RawFrame]] = {}
        self._max_nodes = max_nodes

    def see(self, frame: RawFrame) -> None:
        """Take note of a raw frame."""
        held = self._frames.pop(frame.node, None)
        before = held[1] if held is not None else None
        if before is not None and before.sequence == frame.sequence:
            before = held[0] if held is not None else None
        self._frames[frame.node] = (before, frame)
        while len(self._frames) > self._max_nodes:
            del self._frames[next(iter(self._frames))]

    def expand(self, packet: XorFrame) -> XorDecoded | XorMissing:
        """Return the frame that a packet stands for, or what is missing."""
        before, last = self._frames.get(packet.node, (None, None))
        if before is not None and last is not None and _proves(packet, before, last):
            return XorDecoded(packet.node, last.payload, proven=True)
        if last is None or len(last.payload) != packet.length:
            return XorMissing(packet.node, packet.length, len(last.payload) if last else 0)
        return XorDecoded(packet.node, packet.expand(last.payload), proven=False)


def _proves(packet: XorFrame, before: RawFrame, after: RawFrame) -> bool:
    if (before.sequence + 1) & 0xFFFFFFFF != after.sequence:
        return False
    if not len(before.payload) == packet.length == len(after.payload):
        return False
    return packet.expand(before.payload) == after.payload


def _xor(first: bytes, second: bytes) -> bytes:
    mixed = int.from_bytes(first, "little") ^ int.from_bytes(second, "little")
    return mixed.to_bytes(len(first), "little")
