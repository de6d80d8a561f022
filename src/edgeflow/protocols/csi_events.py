"""Events of WASM modules: the reference's with ids of one byte, and EdgeFlow's with two."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from edgeflow.errors import PayloadError, ProtocolError
from edgeflow.protocols.csi_wire import Magic, check_finite, check_length, pack

__all__ = ["MAX_EVENTS", "MAX_WIDE_EVENTS", "Event", "NarrowEvents", "WideEvents", "is_events"]

MAX_EVENTS = 16
"""Events of a packet of the reference's."""
MAX_WIDE_EVENTS = 64
"""Events of a packet of EdgeFlow's."""
_HEADER = struct.Struct("<IBBH")
_EVENT = struct.Struct("<Bf")
_WIDE_HEADER = struct.Struct("<IBBHQHH")
_WIDE_EVENT = struct.Struct("<Hf")


class Event(NamedTuple):
    """What a module said: an id of the catalogue and a value whose unit the id tells."""

    id: int
    value: float


@dataclass(frozen=True, slots=True)
class NarrowEvents:
    """1 to 16 events with ids up to 255, 0xC5110004; the reference cuts higher ids off."""

    node: int
    slot: int
    events: tuple[Event, ...]

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            PayloadError: no event, too many, or a value that does not fit its field.
        """
        what = "a packet of WASM events"
        _check_count(what, self.events, MAX_EVENTS)
        header = (Magic.FUSED_OR_EVENTS, self.node, self.slot, len(self.events))
        return pack(what, _HEADER, *header) + _pack_events(what, _EVENT, self.events)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        what = "a packet of WASM events"
        if len(data) < _HEADER.size:
            raise ProtocolError(f"{what} ends in its header, at offset {len(data)}")
        magic, node, slot, count = _HEADER.unpack_from(data)
        if magic != Magic.FUSED_OR_EVENTS:
            raise ProtocolError(f"{what} begins with {magic:#010x} at offset 0")
        _check_stated(what, count, MAX_EVENTS)
        return cls(node, slot, _unpack_events(what, _EVENT, data, _HEADER.size, count))


@dataclass(frozen=True, slots=True)
class WideEvents:
    """1 to 64 events with ids up to 65535, 0xC511EF01.

    Attributes:
        time_us: since boot, u64.
        sequence: u16, grows by one per packet of the node, wraps.
    """

    node: int
    slot: int
    time_us: int
    sequence: int
    events: tuple[Event, ...]

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            PayloadError: no event, too many, or a value that does not fit its field.
        """
        what = "a packet of wide events"
        _check_count(what, self.events, MAX_WIDE_EVENTS)
        header = (Magic.WIDE_EVENTS, self.node, self.slot, len(self.events))
        head = pack(what, _WIDE_HEADER, *header, self.time_us, self.sequence, 0)
        return head + _pack_events(what, _WIDE_EVENT, self.events)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        what = "a packet of wide events"
        if len(data) < _WIDE_HEADER.size:
            raise ProtocolError(f"{what} ends in its header, at offset {len(data)}")
        magic, node, slot, count, time, sequence, _ = _WIDE_HEADER.unpack_from(data)
        if magic != Magic.WIDE_EVENTS:
            raise ProtocolError(f"{what} begins with {magic:#010x} at offset 0")
        _check_stated(what, count, MAX_WIDE_EVENTS)
        events = _unpack_events(what, _WIDE_EVENT, data, _WIDE_HEADER.size, count)
        return cls(node, slot, time, sequence, events)


def is_events(data: bytes) -> bool:
    """Tell events from fused vitals, which share 0xC5110004.

    Events state how many they are, 1 to 16, and their length follows from it. Eight events are as
    long as fused vitals, but those would then state a breathing rate of 0.08 BPM.
    """
    if len(data) < _HEADER.size:
        return False
    count: int = _HEADER.unpack_from(data)[3]
    return 1 <= count <= MAX_EVENTS and len(data) == _HEADER.size + _EVENT.size * count


def _check_count(what: str, events: Sequence[Event], most: int) -> None:
    if not 1 <= len(events) <= most:
        raise PayloadError(f"{what} holds 1 to {most} events, not {len(events)}")


def _check_stated(what: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise ProtocolError(f"{what} states {count} events at offset 6, 1 to {most} may be")


def _pack_events(what: str, form: struct.Struct, events: Sequence[Event]) -> bytes:
    return b"".join(pack(what, form, event.id, event.value) for event in events)


def _unpack_events(
    what: str, form: struct.Struct, data: bytes, start: int, count: int
) -> tuple[Event, ...]:
    check_length(what, data, start + count * form.size)
    events = tuple(Event(*values) for values in form.iter_unpack(data[start:]))
    for place, event in enumerate(events):
        check_finite(what, start + (place + 1) * form.size - 4, event.value)
    return events
