"""Hand-over between two threads with the standard library: ``queue``, ``simple`` or ``newest``.

Runs both ends in one process: ``python -m benchmarks.peers.thread_queues KIND``.
"""

import queue
import sys
import threading
from typing import Any, Protocol

import numpy as np

from benchmarks.stamps import Control, Recorder, Setup, stamp

WAIT_SECONDS = 0.2


class Slot(Protocol):
    """What both ends share."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Hand over; raise ``queue.Full`` after ``timeout``."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take; raise ``queue.Empty`` after ``timeout``."""


class Newest:
    """Holds one item; the newest wins."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._item: Any = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        with self._arrived:
            self._item = item
            self._arrived.notify()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        with self._arrived:
            if self._item is None and not self._arrived.wait(timeout):
                raise queue.Empty
            item, self._item = self._item, None
            return item


def send(slot: Slot, setup: Setup) -> None:
    control, number = Control(setup.folder), 0
    while not control.stopped:
        image = np.empty(setup.shape, np.uint8)
        number += 1
        if number % setup.sample == 0:
            stamp(image, setup.size, number)
        while not control.stopped:
            try:
                slot.put(image, True, WAIT_SECONDS)
                break
            except queue.Full:
                continue


def receive(slot: Slot, setup: Setup) -> None:
    recorder = Recorder(setup, 0)
    while not recorder.stopped:
        try:
            image = slot.get(True, WAIT_SECONDS)
        except queue.Empty:
            continue
        recorder.saw(image)
    recorder.save()


def main() -> None:
    setup = Setup.from_environment()
    kinds = {"queue": lambda: queue.Queue(setup.capacity), "simple": queue.SimpleQueue}
    kinds["newest"] = Newest
    slot = kinds[sys.argv[1]]()
    sender = threading.Thread(target=send, args=(slot, setup))
    sender.start()
    receive(slot, setup)
    sender.join(5)


if __name__ == "__main__":
    main()
