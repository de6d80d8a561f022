"""ZeroMQ over a unix socket: PUSH to one receiver, PUB to several."""

from typing import Any

import numpy as np
import zmq

from benchmarks.stamps import Setup, blank, stamp

__all__ = ["receiver", "sender"]

_WAIT = 200


class _Sender:
    def __init__(self, setup: Setup) -> None:
        self._size = setup.size
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH if setup.receivers == 1 else zmq.PUB)
        self._socket.sndhwm = setup.capacity
        self._socket.sndtimeo = _WAIT
        self._socket.bind(f"ipc://{setup.folder}/zmq")
        self._image = blank(setup.shape)

    def send(self, sequence: int) -> None:
        stamp(self._image, self._size, sequence)
        try:
            self._socket.send(self._image, copy=True)
        except zmq.Again:
            return

    def close(self) -> None:
        self._context.destroy(linger=0)


class _Receiver:
    def __init__(self, setup: Setup) -> None:
        self._shape = setup.shape
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL if setup.receivers == 1 else zmq.SUB)
        if setup.receivers > 1:
            self._socket.subscribe(b"")
        self._socket.rcvhwm = setup.capacity
        self._socket.connect(f"ipc://{setup.folder}/zmq")
        self._message: Any = None

    def receive(self) -> Any:
        self._message = None
        if not self._socket.poll(_WAIT):
            return None
        self._message = self._socket.recv(copy=False)
        return np.frombuffer(self._message.buffer, np.uint8).reshape(self._shape)

    def close(self) -> None:
        self._context.destroy(linger=0)


sender, receiver = _Sender, _Receiver
