"""SIGINT and SIGTERM as an event."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["setting_on_hangup", "stopping_on_signals"]

SAME_REQUEST_SECONDS = 0.3
"""timeout(1) and some shells send a signal to a process and again to its group."""


@contextmanager
def stopping_on_signals(stop: threading.Event) -> Iterator[list[int]]:
    """Turn the first SIGINT or SIGTERM into ``stop``; a second one, a moment later, kills.

    Yields:
        The signal that was caught, once there was one; outside the main thread none ever is.
    """
    caught: list[int] = []
    first = 0.0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        if caught and time.monotonic() - first > SAME_REQUEST_SECONDS:
            os._exit(128 + number)
        if caught:
            return
        first = time.monotonic()
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


@contextmanager
def setting_on_hangup(asked: threading.Event) -> Iterator[None]:
    """Turn SIGHUP into ``asked``; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: asked.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
