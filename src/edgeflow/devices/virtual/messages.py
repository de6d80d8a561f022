"""Where requests end in a stream of bytes, so that a board is woken when one is complete.

Only the moment of work depends on it, never its result: bytes that this does not understand are
handed over as they come.
"""

import struct
from collections import deque

__all__ = ["MessageEnds"]

LARGEST = 64 * 1024
_MAGICS = {b"META": 4, b"INFR": 8, b"EFX1": 16}


class MessageEnds:
    """Offsets behind each request, counted from the first byte of the stream."""

    def __init__(self) -> None:
        self.ends: deque[int] = deque()
        self._buffer = bytearray()
        self._position = 0
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Look through the next bytes."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._position += skipped
        self._buffer += data[skipped:]
        while self._find():
            pass

    def _find(self) -> bool:
        """Go behind the next request; False if none is known to end."""
        places = [(at, magic) for magic in _MAGICS if (at := self._buffer.find(magic)) >= 0]
        if not places:
            self._drop(max(0, len(self._buffer) - 3))
            return False
        at, magic = min(places)
        self._drop(at)
        if len(self._buffer) < _MAGICS[magic]:
            return False
        size = _size(magic, self._buffer)
        if size > LARGEST:
            self._drop(4)
            return True
        self.ends.append(self._position + size)
        self._skip = max(0, size - len(self._buffer))
        self._drop(min(size, len(self._buffer)))
        return True

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._position += count


def _size(magic: bytes, header: bytearray) -> int:
    if magic == b"META":
        return 4
    if magic == b"INFR":
        return int(struct.unpack_from("<I", header, 4)[0]) * 4 + 8
    return int(struct.unpack_from("<I", header, 10)[0]) + 20
