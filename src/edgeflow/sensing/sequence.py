"""Loss of a stream of datagrams, from the numbers that they carry."""

__all__ = ["SequenceCounter"]

_WRAP = 1 << 32
MOST_LOST = 10_000
"""A larger step forward is a node that started anew."""
MOST_LATE = 1_000
"""A larger step back likewise."""


class SequenceCounter:
    """Counts numbers that never came, u32 that wrap; those that come late are taken off again.

    A firmware may count frames that it did not send, so what is lost was not always lost on the
    way.

    Attributes:
        received, lost, late: so far; duplicates are late.
        restarts: how often the numbers began anew.
    """

    def __init__(self) -> None:
        self.received = self.lost = self.late = self.restarts = 0
        self._last: int | None = None

    def see(self, number: int) -> None:
        """Take note of a number that came."""
        self.received += 1
        if self._last is None:
            self._last = number
            return
        step = (number - self._last) % _WRAP
        if 0 < step <= MOST_LOST:
            self.lost += step - 1
        elif step == 0 or _WRAP - step <= MOST_LATE:
            self.late += 1
            self.lost -= 1 if step and self.lost else 0
            return
        else:
            self.restarts += 1
        self._last = number

    @property
    def loss(self) -> float:
        """The part that is missing, 0 to 1."""
        return self.lost / (self.lost + self.received) if self.lost else 0.0
