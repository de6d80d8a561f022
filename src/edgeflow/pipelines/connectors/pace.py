"""How often sensors may send."""

import math
from collections import OrderedDict

__all__ = ["Pace"]

MAX_SENSORS = 1024
"""Sensors whose pace is remembered."""


class Pace:
    """Least seconds between messages of a sensor, for those that were asked to slow down."""

    def __init__(self) -> None:
        self._limits: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def limit(self, sensor: str, interval: float) -> None:
        """Set the interval of a sensor; 0 for none."""
        if interval <= 0:
            self._limits.pop(sensor, None)
            return
        self._limits[sensor] = interval, self._limits.get(sensor, (0.0, -math.inf))[1]
        if len(self._limits) > MAX_SENSORS:
            self._limits.popitem(last=False)

    def wait(self, sensor: str, now: float) -> float:
        """Return how many seconds too early a message is."""
        interval, last = self._limits.get(sensor, (0.0, -math.inf))
        return last + interval - now

    def passed(self, sensor: str, now: float) -> None:
        """Remember that a message was taken."""
        if sensor in self._limits:
            self._limits[sensor] = self._limits[sensor][0], now
