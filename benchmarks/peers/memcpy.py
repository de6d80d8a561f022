"""The floor: the producer copies into a second buffer; nothing travels and nobody waits.

Only the rate is of use. The "receiver" makes the copies itself, in one process.
"""

import time
from pathlib import Path

import numpy as np

from benchmarks.case import END, Case, stamp
from benchmarks.peers import base


class Sender(base.Sender):
    def __init__(self, case: Case, folder: Path) -> None:
        pass

    def send(self, frame: np.ndarray) -> None:
        time.sleep(0.01)


class Receiver(base.Receiver):
    def __init__(self, case: Case, folder: Path, index: int) -> None:
        self._source = np.zeros(case.size, np.uint8)
        self._target = np.zeros(case.size, np.uint8)
        self._seconds = case.seconds
        self._sequence = 0
        self._end: float | None = None

    def receive(self, timeout: float) -> np.ndarray | None:
        if self._end is None:
            self._end = time.monotonic() + self._seconds
        stamp(self._source, END if time.monotonic() > self._end else self._sequence)
        self._sequence += 1
        np.copyto(self._target, self._source)
        return self._target

    def close(self) -> None:
        pass
