"""Time stamps of nodes: counters that wrap, and start anew with the node."""

__all__ = ["Unwrapped"]

_WRAP = 1 << 32
LATEST_US = 10_000_000
"""How far a stamp may lie behind the newest and still be a late frame, no restart."""
PAUSE_US = 1_000_000
"""What a restart is taken to last."""


class Unwrapped:
    """Makes one clock that does not wrap of u32 microseconds that do, every 71.6 minutes.

    Stamps may come late, up to 10 s. What lies further back is a node that started anew: its time
    goes on a second after the last.

    Attributes:
        restarts: how often that was so.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self._newest: int | None = None
        self._ticks = 0

    def at(self, ticks: int) -> int:
        """Return the unwrapped time of a stamp, microseconds."""
        if self._newest is None:
            self._newest, self._ticks = ticks, ticks
            return ticks
        step = (ticks - self._ticks) % _WRAP
        if step >= _WRAP // 2:
            step -= _WRAP
        if step < -LATEST_US:
            self.restarts += 1
            step = PAUSE_US
        time = self._newest + step
        if step > 0:
            self._newest, self._ticks = time, ticks
        return max(0, time)
