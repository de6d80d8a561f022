"""Time as a dependency: logic that waits or measures takes a ``Clock``, tests inject one."""

import threading
import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """What the platform needs to know about time."""

    def time(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; comparable between processes of one host."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Sleep until ``event`` is set (True) or ``seconds`` have passed (False)."""
        ...


class SystemClock:
    """The real clock. ``monotonic_ns`` is CLOCK_MONOTONIC, shared by all processes of a host."""

    def time(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Sleep until ``event`` is set (True) or ``seconds`` have passed (False)."""
        return event.wait(seconds) if seconds > 0 else event.is_set()


class ManualClock:
    """A clock that moves only when told (or when somebody waits on it)."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now_ns = int(start * 1e9)

    def time(self) -> float:
        """Seconds since the Unix epoch."""
        return self._now_ns / 1e9

    def monotonic_ns(self) -> int:
        """Nanoseconds, equal to ``time()``."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._now_ns += int(seconds * 1e9)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Jump forward instead of sleeping."""
        if event.is_set():
            return True
        self.advance(max(0.0, seconds))
        return False
