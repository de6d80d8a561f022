"""The lines that a board writes beside its answers: boot logs, crash reports."""

import time
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

__all__ = ["Console", "ConsoleLine"]

MAX_LINES = 1000
MAX_LINE = 512
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class ConsoleLine(NamedTuple):
    """A line; ``number`` grows by one with each, ``time`` is seconds since the Unix epoch."""

    number: int
    time: float
    text: str


class Console:
    """Keeps the latest lines.

    Args:
        now: seconds since the Unix epoch.
        lines: how many are kept.
    """

    def __init__(self, now: Callable[[], float] = time.time, lines: int = MAX_LINES) -> None:
        self._now = now
        self._lines: deque[ConsoleLine] = deque(maxlen=lines)
        self._open = bytearray()
        self._count = 0
        self._lock = Lock()

    def add(self, data: bytes) -> None:
        """Take bytes of the line."""
        self._open += data
        *whole, rest = self._open.replace(b"\r", b"\n").split(b"\n")
        while len(rest) > MAX_LINE:
            whole.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._open = bytearray(rest)
        for line in whole:
            self._keep(bytes(line[:MAX_LINE]))

    def lines(self, after: int = 0) -> list[ConsoleLine]:
        """Return the lines with a number above ``after`` that are kept, oldest first."""
        with self._lock:
            return [each for each in self._lines if each.number > after]

    def _keep(self, line: bytes) -> None:
        text = "".join(
            each if each.isprintable() else _UNKNOWN for each in line.decode("utf-8", "replace")
        )
        # Bytes of another rate, and of damaged messages, are no words.
        if not text.strip() or 3 * text.count(_UNKNOWN) > len(text):
            return
        with self._lock:
            self._count += 1
            self._lines.append(ConsoleLine(self._count, self._now(), text))
