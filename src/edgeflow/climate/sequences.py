"""Telling a redelivered reading from a new one, by the sequence that its device counts."""

from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["Sequences"]

MAX_STREAMS = 200_000
WINDOW = 1024
"""How far behind the newest a sequence may come and still be told from a repetition."""
RESET = 1_000_000
"""A sequence so far behind comes from a device that lost its count without a new boot."""


@dataclass(slots=True)
class _Stream:
    boot: int
    newest: int
    seen: int  # a bit for each of the newest and those before it


class Sequences:
    """What came already, by device and kind. Bounded: who was silent longest is forgotten first."""

    def __init__(self) -> None:
        self._streams: OrderedDict[tuple[str, str], _Stream] = OrderedDict()

    def is_new(self, device: str, kind: str, boot: int, sequence: int) -> bool:
        """Note a reading; False if it came before. One without a sequence (-1) is always new."""
        if sequence < 0:
            return True
        key = (device, kind)
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= MAX_STREAMS:
                self._streams.popitem(last=False)
            self._streams[key] = _Stream(boot, sequence, 1)
            return True
        self._streams.move_to_end(key)
        if stream.boot != boot or stream.newest - sequence > RESET:
            stream.boot, stream.newest, stream.seen = boot, sequence, 1
            return True
        return _note(stream, sequence)


def _note(stream: _Stream, sequence: int) -> bool:
    ahead = sequence - stream.newest
    if ahead > 0:
        stream.seen = (stream.seen << min(ahead, WINDOW) | 1) & ((1 << WINDOW) - 1)
        stream.newest = sequence
        return True
    bit = 1 << -ahead
    if -ahead >= WINDOW or stream.seen & bit:
        return False
    stream.seen |= bit
    return True
