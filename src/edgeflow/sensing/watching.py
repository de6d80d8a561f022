"""Frames of a node for whoever watches: means of 50 ms, in rings that all watchers share."""

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgeflow._native.csi import CsiProcessor
from edgeflow.core.sensing import Row

__all__ = ["Lens", "Lenses", "Watching"]

SLOT_US = 50_000
HELD = 1200
"""Rows of a node, a minute, that a new or slow watcher may have."""
LINGER_US = 30_000_000
"""Who comes back so soon finds what was seen meanwhile."""
LEVELS_PER_MEAN = 100
MAX_LENSES = 64


class Lens:
    """Looks at the frames of one node.

    Attributes:
        watchers: how many look through it; ``left_us``: when the last one left.
        used: frames of the node when it looked last.
    """

    def __init__(self) -> None:
        self.watchers = self.left_us = 0
        self.used = -1
        self._lock = threading.Lock()
        self._rows: deque[Row] = deque(maxlen=HELD)
        self._number = 0
        self._slot = -1
        self._sums = np.zeros(0, np.float32)
        self._counts = np.zeros(0, np.float32)
        self._phases = b""

    def take(self, time_us: int, processor: CsiProcessor) -> None:
        """Take the frame that was pushed last."""
        slot = time_us // SLOT_US
        amplitudes = processor.amplitudes()
        with self._lock:
            if slot != self._slot:
                self._finish(processor)
                self._slot = slot
            self._add(amplitudes)

    def rows(self, after: int) -> list[Row]:
        """Return the rows above a number, oldest first."""
        with self._lock:
            fresh = list(takewhile(lambda row: row.number > after, reversed(self._rows)))
        return fresh[::-1]

    def phases(self) -> bytes:
        """Return the phases of the newest frame of a full slot."""
        return self._phases

    def _finish(self, processor: CsiProcessor) -> None:
        if not self._sums.size:
            return
        means = self._sums / np.maximum(self._counts, 1)
        levels = np.rint(means * LEVELS_PER_MEAN).clip(1, 255).astype(np.uint8)
        levels[means <= 0] = 0
        self._number += 1
        self._rows.append(Row(self._number, self._slot * SLOT_US, levels.tobytes()))
        self._phases = _milliradians(processor.phases())
        self._sums = np.zeros(0, np.float32)

    def _add(self, amplitudes: NDArray[np.float32]) -> None:
        """Frames of a node may differ in length; each subcarrier has a mean of its own."""
        carrying = (amplitudes > 0).astype(np.float32)
        if self._sums.size < amplitudes.size:
            old, self._sums = self._sums, amplitudes.copy()
            known, self._counts = self._counts[: old.size], carrying
            self._sums[: old.size] += old
            self._counts[: old.size] += known
        else:
            self._sums[: amplitudes.size] += amplitudes
            self._counts[: amplitudes.size] += carrying


class Lenses:
    """The lenses that somebody looks through, by the names of nodes. Thread-safe."""

    def __init__(self) -> None:
        self._lenses: dict[str, Lens] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._lenses)

    @property
    def watchers(self) -> int:
        """How many watch a node."""
        return sum(lens.watchers for lens in list(self._lenses.values()))

    def prune(self, now: int) -> None:
        """Put away lenses through which nobody has looked for half a minute."""
        with self._lock:
            self._lenses = {
                name: lens
                for name, lens in self._lenses.items()
                if lens.watchers or now - lens.left_us < LINGER_US
            }

    def find(self, name: str) -> Lens | None:
        """Return the lens on a node, if somebody watches it."""
        return self._lenses.get(name)

    def watch(self, name: str) -> "Watching":
        """Watch a node; beyond 64 watched nodes nothing is seen of it."""
        with self._lock:
            lens = self._lenses.get(name) or Lens()
            if len(self._lenses) < MAX_LENSES or name in self._lenses:
                self._lenses[name] = lens
            lens.watchers += 1
        return Watching(lens, lambda: self._leave(lens))

    def _leave(self, lens: Lens) -> None:
        with self._lock:
            lens.watchers -= 1
            lens.left_us = time.monotonic_ns() // 1000


class Watching:
    """One watcher of a node."""

    def __init__(self, lens: Lens, leave: Callable[[], None]) -> None:
        self._lens, self._leave = lens, leave
        self._open = True

    def rows(self, after: int) -> list[Row]:
        """Return the rows above a number that are still held, oldest first."""
        return self._lens.rows(after)

    def phases(self) -> bytes:
        """Return the corrected phases of the newest frame: i16 little-endian, milliradians."""
        return self._lens.phases()

    def close(self) -> None:
        """Watch no more. Idempotent."""
        if self._open:
            self._open = False
            self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _milliradians(phases: NDArray[np.float32]) -> bytes:
    return np.rint(phases * 1000).clip(-32767, 32767).astype("<i2").tobytes()
