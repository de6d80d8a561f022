"""How a thread waits for a server: with a descriptor that ends the wait, and in growing pauses."""

import os
import threading
import time

__all__ = ["Alarm", "Backoff"]


class Alarm:
    """A descriptor that any thread can make readable, to end a ``poll``."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._fd

    def ring(self) -> None:
        """Make it readable. Does nothing once closed."""
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def clear(self) -> bool:
        """Make it quiet again; return whether it had been rung."""
        try:
            os.eventfd_read(self._fd)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Release the descriptor. Idempotent."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Backoff:
    """Growing pauses between attempts to connect: 50 ms, doubling, at most 1 s."""

    def __init__(self) -> None:
        self._next = 0.05

    def pause(self, deadline: float) -> float:
        """Return how long to wait, not beyond ``deadline`` (monotonic seconds)."""
        pause = min(self._next, max(0.0, deadline - time.monotonic()))
        self._next = min(1.0, self._next * 2)
        return pause

    def reset(self) -> None:
        """Start over after a success."""
        self._next = 0.05
