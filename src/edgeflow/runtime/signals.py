"""SIGINT and SIGTERM as an event."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping_on_signals"]


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[list[int]]:
    """Turn the first SIGINT or SIGTERM into ``stop``; a second one kills.

    Yields:
        The signal that was caught, once there was one; outside the main thread none ever is.
    """
    caught: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
