"""What a member observes of its own speed, and of gaps in what it receives."""

import time
from collections import OrderedDict

__all__ = ["Gaps", "Pace"]

_RECOUNT_SECONDS = 0.25
_EPOCHS = 64


class Pace:
    """How fast the consumer takes frames, which decides how many to read at a time.

    As many as it takes in 10 ms, and not more than 1 MB: a slow member must not hoard.
    """

    def __init__(self) -> None:
        self._left_at = 0.0
        self._seconds = 0.01
        self._bytes = 1e6

    def entered(self, now: float) -> float:
        """The consumer asks for more; return how long it has been away."""
        away = now - self._left_at
        if self._left_at:
            self._seconds += 0.2 * (away - self._seconds)
        return away

    def left(self, now: float, size: int) -> None:
        """The consumer goes to work on a frame of ``size`` bytes."""
        self._left_at = now if size else 0.0
        if size:
            self._bytes += 0.2 * (size - self._bytes)

    def count(self) -> int:
        """Return how many frames to read at a time."""
        by_time = 0.01 / max(self._seconds, 1e-6)
        return int(max(1, min(32, by_time, 1e6 / max(self._bytes, 1.0))))


class Gaps:
    """The last sequence number of each epoch, and whether gaps in them are drops."""

    def __init__(self) -> None:
        self.alone = True
        self._last: OrderedDict[int, int] = OrderedDict()
        self._counted_at = 0.0

    def has_had(self, epoch: int, sequence: int) -> bool:
        """Return whether this one would be a repeat; notes nothing."""
        last = self._last.get(epoch)
        return last is not None and sequence <= last

    def missed(self, epoch: int, sequence: int) -> int:
        """Return how many frames were skipped; -1 when this one is a repeat."""
        if not epoch:
            return 0
        if self.has_had(epoch, sequence):
            return -1
        last = self._last.get(epoch)
        self._last[epoch] = sequence
        if last is not None:
            return sequence - last - 1
        if len(self._last) > _EPOCHS:
            self._last.popitem(last=False)
        return 0

    def is_time_to_recount(self) -> bool:
        """True a few times per second."""
        now = time.monotonic()
        if now - self._counted_at < _RECOUNT_SECONDS:
            return False
        self._counted_at = now
        return True
