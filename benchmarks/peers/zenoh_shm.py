"""Zenoh with its shared memory between the same two sessions as over TCP."""

from pathlib import Path

import numpy as np
import zenoh

from benchmarks.case import Case
from benchmarks.peers import zenoh_tcp

_SLOTS = 6


class Sender(zenoh_tcp.Sender):
    shared_memory = True

    def __init__(self, case: Case, folder: Path) -> None:
        super().__init__(case, folder)
        self._provider = zenoh.shm.ShmProvider.default_backend(_SLOTS * (case.size + 4096))

    def send(self, frame: np.ndarray) -> None:
        place = self._provider.alloc(
            frame.size, policy=zenoh.shm.BlockOn(zenoh.shm.GarbageCollect())
        )
        place[:] = frame.tobytes()
        self._publisher.put(place)


class Receiver(zenoh_tcp.Receiver):
    shared_memory = True
