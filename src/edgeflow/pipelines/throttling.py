"""When sensors are asked to send less often, and when they may send as they like again."""

from collections.abc import Callable
from enum import StrEnum

from edgeflow.pipelines.schema.pipeline import ThrottleOptions

__all__ = ["Command", "Throttle", "interval_for"]

SHORTEST_S, LONGEST_S = 0.01, 60.0
MARGIN = 1.2
"""How much slower than what a pipeline can take its sensors are asked to be."""


class Command(StrEnum):
    """What is to be asked of the sensors of a pipeline."""

    SLOWER = "slower"
    RELEASE = "release"


class Throttle:
    """Hysteresis over how full a queue is.

    Args:
        options: bounds and how long they have to hold.
        clock: monotonic seconds.

    Attributes:
        level: 0 for none; each further command asks for twice the interval of the one before.
    """

    def __init__(self, options: ThrottleOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._high_since: float | None = None
        self._low_since: float | None = None
        self.level = 0

    def observe(self, fill: float) -> Command | None:
        """Take how full the queue is (0 to 1); return what is to be done now."""
        now = self._clock()
        options = self._options
        self._high_since = _since(self._high_since, now, is_so=fill >= options.high)
        self._low_since = _since(self._low_since, now, is_so=fill <= options.low)
        if self._high_since is not None and now - self._high_since >= options.hold_s:
            self._high_since = now
            self.level += 1
            return Command.SLOWER
        if self.level and self._low_since is not None and now - self._low_since >= options.hold_s:
            self.level = 0
            return Command.RELEASE
        return None


def _since(before: float | None, now: float, *, is_so: bool) -> float | None:
    if not is_so:
        return None
    return now if before is None else before


def interval_for(options: ThrottleOptions, level: int, rate: float, sensors: int) -> float:
    """Return the interval in seconds to ask each sensor for.

    Args:
        options: may name the interval of the first level.
        level: of the throttle, from 1.
        rate: messages per second that the pipeline gets done.
        sensors: how many share it.
    """
    first = options.interval_s or MARGIN * max(1, sensors) / max(rate, 0.1)
    return float(min(LONGEST_S, max(SHORTEST_S, first * 2 ** min(level - 1, 16))))
