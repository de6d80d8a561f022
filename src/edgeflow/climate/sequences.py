"""Telling a redelivered reading from a new one, by the sequence that its device counts."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Place", "Sequences"]

MAX_STREAMS = 200_000
WINDOW = 1024
"""How far behind the newest a repetition is known here; further back the store tells."""
RESET = 1_000_000
"""A sequence so far behind comes from a device that lost its count without a new boot."""
_MASK = (1 << WINDOW) - 1


class Place(Enum):
    """Of a reading among those of its device and kind."""

    NEWEST = auto()
    LATE = auto()
    KNOWN = auto()


@dataclass(slots=True)
class _Stream:
    boot: int
    newest: int
    seen: int  # a bit for each of the newest and those before it
    straight: int = 0  # how many came one after the other since; they have no bits yet


class Sequences:
    """What came already, by device and kind. Bounded: who was silent longest is forgotten first.

    What is too far behind to be known counts as late: a store knows each reading for ever.
    """

    def __init__(self) -> None:
        self._streams: OrderedDict[tuple[str, str], _Stream] = OrderedDict()

    def place(self, device: str, kind: str, boot: int, sequence: int) -> Place:
        """Note a reading; one without a sequence (-1) is always the newest."""
        if sequence < 0:
            return Place.NEWEST
        key = (device, kind)
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= MAX_STREAMS:
                self._streams.popitem(last=False)
            self._streams[key] = _Stream(boot, sequence, 1)
            return Place.NEWEST
        self._streams.move_to_end(key)
        if stream.boot != boot or stream.newest - sequence > RESET:
            stream.boot, stream.newest, stream.seen, stream.straight = boot, sequence, 1, 0
            return Place.NEWEST
        return _note(stream, sequence)


def _note(stream: _Stream, sequence: int) -> Place:
    ahead = sequence - stream.newest
    if ahead == 1:
        stream.newest, stream.straight = sequence, stream.straight + 1
        return Place.NEWEST
    if stream.straight:
        run = min(stream.straight, WINDOW)
        stream.seen, stream.straight = (stream.seen << run | (1 << run) - 1) & _MASK, 0
    if ahead > 0:
        stream.seen = (stream.seen << min(ahead, WINDOW) | 1) & _MASK
        stream.newest = sequence
        return Place.NEWEST
    if -ahead >= WINDOW:
        return Place.LATE
    bit = 1 << -ahead
    if stream.seen & bit:
        return Place.KNOWN
    stream.seen |= bit
    return Place.LATE
