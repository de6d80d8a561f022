"""Lossless compressed channel state, 0xC511EF02: keyframes, and frames that lean on one.

Neighbouring subcarriers are alike, frames are not: their phase is random. So each pair is predicted
from the pairs before it in the same frame, and the rest is Rice coded with a parameter that adapts.
A keyframe also tells which pairs are null. Other frames leave those out, and the first two pairs,
which hold what the driver left there, while they are the keyframe's. So a lost frame costs only
itself, and a lost keyframe the frames up to the next one, which name it.

Source: docs/reference/csi-packets.md.
"""

import struct
from binascii import crc_hqx
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.csi_raw import RawFrame, check_counts, check_pairs
from edgeflow.protocols.csi_rice import PREDICTORS, read_pairs, write_pairs
from edgeflow.protocols.csi_wire import Magic, check_length, pack

__all__ = ["CompressedFrame", "Compressor", "Decoder", "Decompressed", "MissingKeyframe"]

KEY, STORED, HEAD = 1, 2, 16
_PREDICTOR = 2
_KNOWN_FLAGS = 0x1F
_PREDICTOR_MASK = 3
_HEADER = struct.Struct("<IBBHHBBIHbbHHQ")
_WHAT = "a compressed CSI packet"
_MAX_DISTANCE = 0xFFFF
_HEAD_PAIRS = 2
_HELD_KEYS = 2


@dataclass(frozen=True, slots=True)
class CompressedFrame:
    """One frame as it travels.

    Attributes:
        flags: bit 0 keyframe, bit 1 stored as it is, bits 2 and 3 the predictor, bit 4 the first
            two pairs are the keyframe's.
        subcarriers: pairs of each antenna.
        source: tells senders apart; frames of two do not lean on each other.
        sequence: grows by one per frame of the node, u32.
        distance: how many frames back the keyframe is; 0 for a keyframe.
        check: CRC-16/CCITT-FALSE of the pairs.
        time_us: of the node, u64.
    """

    node: int
    flags: int
    subcarriers: int
    frequency_mhz: int
    antennas: int
    source: int
    sequence: int
    distance: int
    rssi: int
    noise_floor: int
    check: int
    time_us: int
    data: bytes

    @property
    def is_key(self) -> bool:
        """Whether it stands alone."""
        return bool(self.flags & KEY)

    @property
    def reference(self) -> int:
        """Sequence of the keyframe it leans on; its own for a keyframe."""
        return (self.sequence - self.distance) & 0xFFFFFFFF

    @property
    def stream(self) -> tuple[int, int, int, int]:
        """Frames that differ in it know nothing of each other."""
        return (self.node, self.source, self.antennas, self.subcarriers)

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            PayloadError: a value does not fit its field.
        """
        place = (self.node, self.flags, self.subcarriers, self.frequency_mhz, self.antennas)
        order = (self.source, self.sequence, self.distance, self.rssi, self.noise_floor)
        tail = (self.check, len(self.data), self.time_us)
        return pack(_WHAT, _HEADER, Magic.COMPRESSED, *place, *order, *tail) + self.data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram; its data is looked at when it is expanded.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        if len(data) < _HEADER.size:
            raise ProtocolError(f"{_WHAT} ends in its header, at offset {len(data)}")
        magic, *head, length, time = _HEADER.unpack_from(data)
        fields: list[Any] = [*head, time, bytes(data[_HEADER.size :])]
        frame = cls(*fields)
        if magic != Magic.COMPRESSED:
            raise ProtocolError(f"{_WHAT} begins with {magic:#010x} at offset 0")
        check_length(_WHAT, data, _HEADER.size + length)
        check_counts(_WHAT, frame.antennas, frame.subcarriers)
        frame.check_flags()
        return frame

    def check_flags(self) -> None:
        """Raise ProtocolError for flags and a distance that contradict each other."""
        predictor = self.flags >> _PREDICTOR & _PREDICTOR_MASK
        if self.flags & ~_KNOWN_FLAGS or predictor >= PREDICTORS:
            raise ProtocolError(f"{_WHAT} has the unknown flags {self.flags:#04x} at offset 5")
        if self.is_key != (self.distance == 0):
            raise ProtocolError(f"{_WHAT} has the distance {self.distance} at offset 16")
        if self.is_key if self.flags & HEAD else self.flags & STORED and not self.is_key:
            raise ProtocolError(f"{_WHAT} has the flags {self.flags:#04x} at offset 5")


@dataclass(frozen=True, slots=True)
class Decompressed:
    """A frame that was expanded, the same to the bit as it was compressed."""

    frame: RawFrame
    source: int
    time_us: int


@dataclass(frozen=True, slots=True)
class MissingKeyframe:
    """A frame cannot be expanded: its keyframe was lost or is too old.

    Attributes:
        wanted: sequence of that keyframe.
    """

    node: int
    source: int
    sequence: int
    wanted: int


@dataclass(frozen=True, slots=True)
class _Key:
    """What of a keyframe others lean on."""

    sequence: int
    time_us: int
    head: bytes
    null: bytes

    @classmethod
    def of(cls, sequence: int, time_us: int, payload: bytes) -> Self:
        """Keep what matters of a keyframe."""
        return cls(sequence, time_us, payload[: 2 * _HEAD_PAIRS], _null(payload))

    def left_out(self, flags: int) -> bytes:
        """One byte per pair, 1 for those that are not coded."""
        if not flags & HEAD:
            return self.null
        return b"\1\1"[: len(self.null)] + self.null[_HEAD_PAIRS:]

    def blank(self, flags: int) -> bytearray:
        """The pairs that are left out, and zeros for the others."""
        head = self.head if flags & HEAD else b""
        return bytearray(head.ljust(2 * len(self.null), b"\0"))

    def fits(self, payload: bytes) -> bool:
        """Whether all pairs that are null in it are null."""
        return not any(
            out and any(pair) for out, pair in zip(self.null, _pairs(payload), strict=True)
        )


class Compressor:
    """Compresses the frames of one node.

    Args:
        key_interval_us: a keyframe at least that often; 0 makes every frame one.
        max_streams: senders and lengths whose keyframes are held at once.

    Raises:
        ConfigError: a value below what makes sense.
    """

    def __init__(self, key_interval_us: int = 1_000_000, max_streams: int = 8) -> None:
        if key_interval_us < 0 or max_streams < 1:
            raise ConfigError("a compressor holds at least one stream, and an interval from 0 on")
        self._interval = key_interval_us
        self._max_streams = max_streams
        self._keys: OrderedDict[tuple[int, int, int], _Key] = OrderedDict()

    def compress(self, frame: RawFrame, time_us: int, source: int = 0) -> CompressedFrame:
        """Return the packet of a frame.

        Raises:
            PayloadError: the frame's payload is none.
        """
        check_pairs(frame.antennas, frame.payload)
        stream = (source, frame.antennas, len(frame.payload))
        distance, coded = self._lean(frame, time_us, self._keys.get(stream))
        if coded is None:
            distance, coded = 0, _code_key(frame.payload)
            self._hold(stream, _Key.of(frame.sequence, time_us, frame.payload))
        flags, data = coded
        return CompressedFrame(
            frame.node,
            flags,
            frame.subcarriers,
            frame.frequency_mhz,
            frame.antennas,
            source,
            frame.sequence,
            distance,
            frame.rssi,
            frame.noise_floor,
            crc_hqx(frame.payload, 0xFFFF),
            time_us,
            data,
        )

    def _lean(
        self, frame: RawFrame, time_us: int, key: _Key | None
    ) -> tuple[int, tuple[int, bytes] | None]:
        """Code a frame by its keyframe, if there is one that serves."""
        if key is None or not 0 <= time_us - key.time_us < self._interval:
            return 0, None
        distance = (frame.sequence - key.sequence) & 0xFFFFFFFF
        if not 0 < distance <= _MAX_DISTANCE or not key.fits(frame.payload):
            return 0, None
        flags = HEAD if frame.payload.startswith(key.head) else 0
        predictor, data = write_pairs(frame.payload, key.left_out(flags))
        fits = len(data) < len(frame.payload)
        return distance, (flags | predictor << _PREDICTOR, data) if fits else None

    def _hold(self, stream: tuple[int, int, int], key: _Key) -> None:
        self._keys[stream] = key
        self._keys.move_to_end(stream)
        while len(self._keys) > self._max_streams:
            self._keys.popitem(last=False)


class Decoder:
    """Expands the compressed frames of many nodes.

    The last two keyframes of each stream are held, so that a frame that a keyframe has overtaken
    is still expanded.

    Args:
        max_streams: nodes times senders times lengths; the one quiet longest is forgotten.
    """

    def __init__(self, max_streams: int = 4096) -> None:
        self._keys: OrderedDict[tuple[int, int, int, int], tuple[_Key, ...]] = OrderedDict()
        self._max_streams = max_streams

    def expand(self, packet: CompressedFrame) -> Decompressed | MissingKeyframe:
        """Return the frame, or which keyframe is missing.

        Raises:
            ProtocolError: the data is damaged, or the keyframe is of a node's life before.
        """
        key = self._find(packet)
        if key is None and not packet.is_key:
            return MissingKeyframe(packet.node, packet.source, packet.sequence, packet.reference)
        payload = _decode(packet, key)
        if crc_hqx(payload, 0xFFFF) != packet.check:
            raise ProtocolError(f"{_WHAT} does not expand to what offset 20 says")
        if packet.is_key:
            self._hold(packet, payload)
        frame = RawFrame(
            packet.node,
            packet.sequence,
            packet.frequency_mhz,
            packet.rssi,
            packet.noise_floor,
            payload,
            packet.antennas,
        )
        return Decompressed(frame, packet.source, packet.time_us)

    def _find(self, packet: CompressedFrame) -> _Key | None:
        if packet.is_key or packet.stream not in self._keys:
            return None
        self._keys.move_to_end(packet.stream)
        held = self._keys[packet.stream]
        return next((key for key in held if key.sequence == packet.reference), None)

    def _hold(self, packet: CompressedFrame, payload: bytes) -> None:
        key = _Key.of(packet.sequence, packet.time_us, payload)
        older = [
            held for held in self._keys.pop(packet.stream, ()) if held.sequence != key.sequence
        ]
        self._keys[packet.stream] = (key, *older)[:_HELD_KEYS]
        while len(self._keys) > self._max_streams:
            self._keys.popitem(last=False)


def _code_key(payload: bytes) -> tuple[int, bytes]:
    null = _null(payload)
    predictor, data = write_pairs(payload, null)
    data = _bitmap(null) + data
    if len(data) >= len(payload):
        return KEY | STORED, payload
    return KEY | predictor << _PREDICTOR, data


def _decode(packet: CompressedFrame, key: _Key | None) -> bytes:
    pairs = packet.antennas * packet.subcarriers
    if packet.flags & STORED:
        check_length(_WHAT, packet.data, 2 * pairs)
        return packet.data
    predictor = packet.flags >> _PREDICTOR & _PREDICTOR_MASK
    if key is not None:
        flags = packet.flags
        return read_pairs(packet.data, predictor, key.left_out(flags), key.blank(flags))
    size = (pairs + 7) // 8
    if len(packet.data) < size:
        raise ProtocolError(f"{_WHAT} ends in its map, at offset {_HEADER.size + len(packet.data)}")
    null = bytes(packet.data[i >> 3] >> (i & 7) & 1 for i in range(pairs))
    return read_pairs(packet.data[size:], predictor, null, bytearray(2 * pairs))


def _null(payload: bytes) -> bytes:
    """One byte per pair, 1 for those of zeros."""
    return bytes(not (real or imaginary) for imaginary, real in _pairs(payload))


def _bitmap(null: bytes) -> bytes:
    bits = sum(1 << place for place, out in enumerate(null) if out)
    return bits.to_bytes((len(null) + 7) // 8, "little")


def _pairs(payload: bytes | bytearray) -> Iterator[tuple[int, int]]:
    return zip(payload[::2], payload[1::2], strict=True)
