"""From a stream of bytes to frames, each in a buffer of its own; sans-I/O.

What is received lands in a small staging buffer, from which short frames are copied out whole.
A longer frame gets its own buffer as soon as its head is there: that head is copied once, all the
rest is received in place, at an address where the data of its first tensor is aligned.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from edgeflow.errors import FrameTooLargeError
from edgeflow.protocols.memory import aligned_memory
from edgeflow.protocols.tensor.wire import LENGTH

__all__ = ["Cut", "Receiver"]

STAGING_BYTES: Final = 1 << 16
_SHORT: Final = 1 << 12
_HEAD: Final = 512
_START: Final = 16


class Cut(NamedTuple):
    """A frame without its length; only its first bytes if there was no room for it."""

    frame: memoryview
    whole: bool = True


class Receiver:
    """Cuts one direction of a connection into frames.

    Args:
        limit: longest frame accepted.
        offset_of: where, in a frame that begins with these bytes, aligned data begins.
        reserve: asked before a long frame gets a buffer; False skips the frame.
    """

    def __init__(
        self,
        limit: int,
        offset_of: Callable[[memoryview], int] = lambda _: 0,
        reserve: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._limit = limit
        self._offset_of = offset_of
        self._reserve = reserve
        self._staging = memoryview(bytearray(STAGING_BYTES))
        self._start = self._end = 0
        self._frame: memoryview | None = None
        self._filled = 0
        self._skipping = 0
        self._skipped = b""
        self._ahead = STAGING_BYTES

    @property
    def waiting(self) -> int:
        """Bytes of a frame that has begun but is not complete; 0 between frames."""
        if self._frame is not None:
            return self._filled
        return self._end - self._start + len(self._skipped)

    @property
    def start(self) -> bytes:
        """The first bytes, 16 at most, of the frame that comes next."""
        if self._frame is not None:
            return bytes(self._frame[: min(self._filled, _START)])
        begin = self._start + LENGTH.size
        return bytes(self._staging[begin : min(self._end, begin + _START)])

    def space(self) -> memoryview:
        """Return where to receive; empty while complete frames fill the staging buffer."""
        if self._frame is not None and self._filled < len(self._frame):
            return self._frame[self._filled :]
        if self._end == STAGING_BYTES:
            self._move_to_front()
        return self._staging[self._end : self._end + self._ahead]

    def received(self, count: int) -> bool:
        """Say that ``count`` bytes have been written to the space.

        Returns:
            False if that cannot have completed a frame.
        """
        frame = self._frame
        if frame is not None and self._filled < len(frame):
            self._filled += count
            return self._filled == len(frame)
        self._end += count
        return True

    def next(self) -> Cut | None:
        """Return the next frame that is complete.

        Raises:
            FrameTooLargeError: the next one exceeds the limit. Nothing can be read after that.
        """
        if self._frame is not None:
            return self._take_long(self._frame)
        if self._skipping:
            return self._skip()
        there = self._end - self._start - LENGTH.size
        if there < 0:
            return None
        length = LENGTH.unpack_from(self._staging, self._start)[0]
        if length > self._limit:
            if there < _START:
                return None
            raise FrameTooLargeError(
                f"a frame of {length} bytes; the limit is {self._limit}",
                hint="raise the limit of the server, or send smaller tensors",
            )
        if there < min(length, _HEAD if length > _SHORT else _SHORT):
            return None
        return self._begin_long(length, there) if length > _SHORT else self._take_short(length)

    def _take_short(self, length: int) -> Cut:
        begin = self._start + LENGTH.size
        self._start = begin + length
        self._ahead = STAGING_BYTES
        frame = memoryview(bytes(self._staging[begin : self._start]))
        if self._start == self._end:
            self._start = self._end = 0
        return Cut(frame)

    def _begin_long(self, length: int, there: int) -> Cut | None:
        begin = self._start + LENGTH.size
        head = self._staging[begin : begin + min(there, length)]
        self._start = begin + len(head)
        if self._start == self._end:
            self._start = self._end = 0
        self._ahead = _SHORT  # the next is likely long, too: let less of it be copied
        if not self._reserve(length):
            self._skipped = bytes(head[:_START])
            self._skipping = length - len(head)
            return self._skip()
        self._frame = aligned_memory(length, self._offset_of(head))
        self._frame[: len(head)] = head
        self._filled = len(head)
        return self._take_long(self._frame)

    def _take_long(self, frame: memoryview) -> Cut | None:
        if self._filled < len(frame):
            return None
        self._frame = None
        return Cut(frame.toreadonly())

    def _skip(self) -> Cut | None:
        dropped = min(self._skipping, self._end - self._start)
        self._skipping -= dropped
        self._start += dropped
        if self._start == self._end:
            self._start = self._end = 0
        if self._skipping:
            return None
        start, self._skipped = self._skipped, b""
        return Cut(memoryview(start), whole=False)

    def _move_to_front(self) -> None:
        left = self._end - self._start
        self._staging[:left] = bytes(self._staging[self._start : self._end])
        self._start, self._end = 0, left
