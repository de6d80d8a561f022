"""Raw redis-py streams without loss: consumer group, XACK, and a sender that waits for room."""

import contextlib
import time
from typing import Any

import numpy as np
import redis

from benchmarks.peers.redis_client import connect
from benchmarks.stamps import Setup, blank, stamp

__all__ = ["receiver", "sender"]

STREAM, GROUP = "bench-durable", "g"
_WAIT = 200


def _client(setup: Setup) -> "redis.Redis":
    client = connect(setup.url)
    with contextlib.suppress(redis.ResponseError):
        client.xgroup_create(STREAM, GROUP, id="$", mkstream=True)
    return client


class _Sender:
    """The receiver deletes what it has processed, so the stream's length is what is on its way."""

    def __init__(self, setup: Setup) -> None:
        self._size = setup.size
        self._capacity = setup.capacity
        self._client = _client(setup)
        self._room = 0
        self._image = blank(setup.shape)
        self._payload = memoryview(self._image.reshape(-1))

    def send(self, sequence: int) -> None:
        end = time.monotonic() + _WAIT / 1000
        while self._room <= 0:
            self._room = self._capacity - self._client.xlen(STREAM)
            if self._room <= 0:
                time.sleep(0.0005)
                if time.monotonic() > end:
                    return
        stamp(self._image, self._size, sequence)
        self._client.xadd(STREAM, {b"f": self._payload})
        self._room -= 1

    def close(self) -> None:
        self._client.close()


class _Receiver:
    def __init__(self, setup: Setup) -> None:
        self._shape = setup.shape
        self._client = _client(setup)
        self._done: Any = None

    def receive(self) -> Any:
        pipeline = self._client.pipeline(transaction=False)
        if self._done is not None:
            pipeline.xack(STREAM, GROUP, self._done).xdel(STREAM, self._done)
            pipeline.execute()
            self._done = None
        found = self._client.xreadgroup(GROUP, "c", {STREAM: ">"}, count=1, block=_WAIT)
        if not found:
            return None
        self._done, fields = found[0][1][-1]
        return np.frombuffer(fields[b"f"], np.uint8).reshape(self._shape)

    def close(self) -> None:
        self._client.close()


sender, receiver = _Sender, _Receiver
