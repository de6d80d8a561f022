"""Raw redis-py streams: XADD with MAXLEN on one side, XREAD on the other."""

from typing import Any

import numpy as np

from benchmarks.peers.redis_client import connect
from benchmarks.stamps import Setup, blank, stamp

__all__ = ["receiver", "sender"]

STREAM = "bench"
_WAIT = 200


class _Sender:
    def __init__(self, setup: Setup) -> None:
        self._size = setup.size
        self._capacity = setup.capacity
        self._client = connect(setup.url)
        self._client.delete(STREAM)
        self._image = blank(setup.shape)
        self._payload = memoryview(self._image.reshape(-1))

    def send(self, sequence: int) -> None:
        stamp(self._image, self._size, sequence)
        self._client.xadd(STREAM, {b"f": self._payload}, maxlen=self._capacity, approximate=False)

    def close(self) -> None:
        self._client.close()


class _Receiver:
    def __init__(self, setup: Setup) -> None:
        self._shape = setup.shape
        self._client = connect(setup.url)
        self._last: Any = "$"

    def receive(self) -> Any:
        found = self._client.xread({STREAM: self._last}, count=1, block=_WAIT)
        if not found:
            return None
        self._last, fields = found[0][1][-1]
        return np.frombuffer(fields[b"f"], np.uint8).reshape(self._shape)

    def close(self) -> None:
        self._client.close()


sender, receiver = _Sender, _Receiver
