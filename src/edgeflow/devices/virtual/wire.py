"""One direction of a serial line: bytes that take their time, on a schedule that does not drift."""

from collections import deque
from dataclasses import dataclass

__all__ = ["Wire"]

BITS_PER_BYTE = 10
"""Start bit, 8 data bits, stop bit."""


@dataclass(slots=True)
class _Run:
    """Bytes that follow each other without a gap.

    Attributes:
        start: when the first bit of ``data[taken]`` is on the line.
        byte: seconds of one byte.
    """

    data: bytes
    start: float
    byte: float
    taken: int = 0

    @property
    def end(self) -> float:
        return self.start + (len(self.data) - self.taken) * self.byte


class Wire:
    """Bytes on their way. Times are seconds of one monotonic clock, given by the caller.

    Args:
        baud: bits per second; None for a line without latency.
        limit: bytes that may be under way; more are dropped and counted.
    """

    def __init__(self, baud: int | None, limit: int = 1 << 20) -> None:
        self.dropped = 0
        self.count = 0
        """Bytes that are under way."""
        self._runs: deque[_Run] = deque()
        self._limit = limit
        self._free_at = 0.0
        self._byte = 0.0
        self.set_baud(baud)

    def set_baud(self, baud: int | None) -> None:
        """Change the rate of what is put on the line from now on."""
        self._byte = BITS_PER_BYTE / baud if baud else 0.0

    @property
    def room(self) -> int:
        """Bytes that can be put on the line."""
        return max(0, self._limit - self.count)

    def put(self, data: bytes, now: float) -> float:
        """Send ``data`` once the line is free, not before ``now``; return when it has arrived."""
        kept = data[: self.room]
        self.dropped += len(data) - len(kept)
        start = max(now, self._free_at)
        if kept:
            self._runs.append(_Run(kept, start, self._byte))
            self.count += len(kept)
            self._free_at = start + len(kept) * self._byte
        return self._free_at

    def clear(self) -> None:
        """Lose what is under way."""
        self._runs.clear()
        self.count = 0
        self._free_at = 0.0

    def cut(self, now: float) -> None:
        """Lose what has not arrived by ``now``."""
        arrived = self.take(now)
        self.clear()
        if arrived:
            self._runs.append(_Run(arrived, now, 0.0))
            self.count = len(arrived)

    def take(self, now: float, most: int = 1 << 30) -> bytes:
        """Return up to ``most`` bytes that have arrived by ``now``."""
        out: list[bytes] = []
        while self._runs and most > 0:
            run = self._runs[0]
            arrived = self._arrived(run, now)
            count = min(arrived, most)
            if count == 0:
                break
            out.append(run.data[run.taken : run.taken + count])
            run.taken += count
            run.start += count * run.byte
            most -= count
            if run.taken < len(run.data):
                break
            self._runs.popleft()
        taken = b"".join(out)
        self.count -= len(taken)
        return taken

    def arrival(self, position: int) -> float | None:
        """Return when a byte, counted from the next one, has arrived; None if it is not sent."""
        for run in self._runs:
            left = len(run.data) - run.taken
            if position < left:
                return run.start + (position + 1) * run.byte
            position -= left
        return None

    def peek(self, position: int, count: int) -> bytes:
        """Return bytes from ``position`` on, whether they have arrived or not."""
        out: list[bytes] = []
        for run in self._runs:
            left = len(run.data) - run.taken
            if position < left and count > 0:
                piece = run.data[run.taken + position : run.taken + position + count]
                out.append(piece)
                count -= len(piece)
                position = 0
            else:
                position = max(0, position - left)
        return b"".join(out)

    def next_end(self) -> float | None:
        """Return when the oldest run of bytes will have arrived; None for an empty line."""
        return self._runs[0].end if self._runs else None

    @staticmethod
    def _arrived(run: _Run, now: float) -> int:
        left = len(run.data) - run.taken
        if run.byte == 0:
            return left if now >= run.start else 0
        return max(0, min(left, int((now - run.start) / run.byte + 1e-6)))
