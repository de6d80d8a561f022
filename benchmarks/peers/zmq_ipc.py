"""ZeroMQ over a unix socket: PUSH/PULL for one consumer, PUB/SUB for several."""

from pathlib import Path

import numpy as np
import zmq

from benchmarks.case import Case
from benchmarks.peers import base

_HIGH_WATER = 4


class Sender(base.Sender):
    def __init__(self, case: Case, folder: Path) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH if case.consumers == 1 else zmq.PUB)
        self._socket.sndhwm = _HIGH_WATER
        self._socket.bind(f"ipc://{folder}/zmq")

    def send(self, frame: np.ndarray) -> None:
        self._socket.send(frame, copy=True)

    def close(self) -> None:
        self._context.destroy(linger=1000)


class Receiver(base.Receiver):
    def __init__(self, case: Case, folder: Path, index: int) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL if case.consumers == 1 else zmq.SUB)
        if case.consumers > 1:
            self._socket.subscribe(b"")
        self._socket.rcvhwm = _HIGH_WATER
        self._socket.connect(f"ipc://{folder}/zmq")

    def receive(self, timeout: float) -> np.ndarray | None:
        if not self._socket.poll(timeout * 1000):
            return None
        self._message = self._socket.recv(copy=False)
        return np.frombuffer(self._message.buffer, np.uint8)

    def close(self) -> None:
        self._context.destroy(linger=0)
