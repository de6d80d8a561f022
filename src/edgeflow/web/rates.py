"""Frames per second over a sliding window; reading changes nothing."""

from collections import deque

__all__ = ["RateMeter"]


class RateMeter:
    """Remembers when the last events happened.

    Not thread-safe: the owner guards it. All times are nanoseconds of one monotonic clock.

    Args:
        window_s: how far back events count.
        capacity: events remembered at most; above ``capacity / window_s`` events per second the
            window is shorter.
    """

    def __init__(self, window_s: float = 3.0, capacity: int = 256) -> None:
        self._window_ns = int(window_s * 1e9)
        self._stamps: deque[int] = deque(maxlen=capacity)

    def tick(self, now_ns: int) -> None:
        """Count one event."""
        self._stamps.append(now_ns)

    def rate(self, now_ns: int) -> float:
        """Return events per second; falls towards 0 when no more arrive."""
        recent = [stamp for stamp in self._stamps if now_ns - stamp <= self._window_ns]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) * 1e9 / max(1, now_ns - recent[0])

    def interval_s(self) -> float:
        """Return the mean distance of the remembered events in seconds; 0.0 for fewer than two."""
        if len(self._stamps) < 2:
            return 0.0
        return (self._stamps[-1] - self._stamps[0]) / 1e9 / (len(self._stamps) - 1)

    def age_s(self, now_ns: int) -> float | None:
        """Return the seconds since the last event, or None when there was none."""
        return max(0, now_ns - self._stamps[-1]) / 1e9 if self._stamps else None
