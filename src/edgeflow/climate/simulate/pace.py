"""Time that passes faster, for what decides about simulated rooms."""

import time
from collections.abc import Callable

__all__ = ["paced"]


def paced(speed: float, now: Callable[[], float] = time.time) -> Callable[[], float]:
    """A clock that agrees with ``now`` at first, and then goes ``speed`` times as fast."""
    if speed == 1.0:
        return now
    begun = now()
    return lambda: begun + speed * (now() - begun)
