"""Zenoh between two peers, over TCP on loopback or through its shared memory.

Its Python classes have no buffer protocol: the receiver has to copy.
"""

import json
import time
from typing import Any

import numpy as np
import zenoh
import zenoh.shm

from benchmarks.stamps import Setup, stamp

__all__ = ["SharedMemorySender", "TcpSender", "ZenohReceiver"]

KEY = "bench/frames"
CONNECT_SECONDS = 10.0


def _session(setup: Setup, *, listens: bool, shared_memory: bool) -> zenoh.Session:
    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("scouting/gossip/enabled", "false")
    config.insert_json5("transport/shared_memory/enabled", json.dumps(shared_memory))
    side = "listen" if listens else "connect"
    config.insert_json5(f"{side}/endpoints", json.dumps([f"tcp/{setup.url}"]))
    if not listens:
        config.insert_json5("listen/endpoints", "[]")
        config.insert_json5("connect/timeout_ms", str(int(CONNECT_SECONDS * 1000)))
    return zenoh.open(config)


class TcpSender:
    """Puts a bytearray, which zenoh copies."""

    def __init__(self, setup: Setup, *, shared_memory: bool = False) -> None:
        self._size = setup.size
        self._session = _session(setup, listens=True, shared_memory=shared_memory)
        self._publisher = self._session.declare_publisher(
            KEY,
            congestion_control=zenoh.CongestionControl.BLOCK,
            reliability=zenoh.Reliability.RELIABLE,
        )
        self._image = bytearray(setup.size)

    def send(self, sequence: int) -> None:
        stamp(self._image, self._size, sequence)
        self._publisher.put(self._image)

    def close(self) -> None:
        self._session.close()


class SharedMemorySender(TcpSender):
    """Copies into a buffer of zenoh's shared memory and puts that."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, shared_memory=True)
        self._provider = zenoh.shm.ShmProvider.default_backend((setup.capacity + 2) * self._size)

    def send(self, sequence: int) -> None:
        stamp(self._image, self._size, sequence)
        policy = zenoh.shm.BlockOn(zenoh.shm.GarbageCollect())
        buffer = self._provider.alloc(self._size, policy=policy)
        buffer[:] = self._image
        self._publisher.put(buffer)


class ZenohReceiver:
    """Takes from a bounded channel; ``recv`` of zenoh has no timeout."""

    def __init__(self, setup: Setup, *, shared_memory: bool) -> None:
        self._shape = setup.shape
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                self._session = _session(setup, listens=False, shared_memory=shared_memory)
                break
            except zenoh.ZError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self._subscriber = self._session.declare_subscriber(
            KEY, zenoh.handlers.FifoChannel(setup.capacity)
        )

    def receive(self) -> Any:
        payload = self._subscriber.recv().payload.to_bytes()
        return np.frombuffer(payload, np.uint8).reshape(self._shape)

    def close(self) -> None:
        self._session.close()
