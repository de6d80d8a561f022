"""Zenoh over loopback TCP: the producer listens, consumers connect, a full queue blocks."""

import json
import queue
import time
from pathlib import Path

import numpy as np
import zenoh

from benchmarks.case import Case
from benchmarks.peers import base

KEY = "bench/frames"
_QUEUE = 4


def session(end: str, address: str, *, shared_memory: bool = False) -> zenoh.Session:
    """Open a session that finds nobody by itself; ``end`` is ``listen`` or ``connect``."""
    config = zenoh.Config()
    settings = {
        "mode": "peer",
        "scouting/multicast/enabled": False,
        f"{end}/endpoints": [address],
        "transport/shared_memory/enabled": shared_memory,
    }
    if end == "connect":
        settings["listen/endpoints"] = []
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)


def address_of(folder: Path) -> str:
    """Return the producer's address, once it has written it."""
    path = folder / "address"
    while not path.exists():
        time.sleep(0.01)
    return path.read_text()


def listen(folder: Path, *, shared_memory: bool = False) -> zenoh.Session:
    """Open the producer's session on a free port and tell the consumers."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    opened = session("listen", address, shared_memory=shared_memory)
    part = folder / "address.part"
    part.write_text(address)
    part.rename(folder / "address")
    return opened


class Sender(base.Sender):
    shared_memory = False

    def __init__(self, case: Case, folder: Path) -> None:
        self._session = listen(folder, shared_memory=self.shared_memory)
        self._publisher = self._session.declare_publisher(
            KEY, congestion_control=zenoh.CongestionControl.BLOCK
        )

    def send(self, frame: np.ndarray) -> None:
        self._publisher.put(frame.tobytes())

    def close(self) -> None:
        self._session.close()


class Receiver(base.Receiver):
    shared_memory = False

    def __init__(self, case: Case, folder: Path, index: int) -> None:
        self._samples: queue.Queue[zenoh.Sample] = queue.Queue(_QUEUE)
        self._session = session("connect", address_of(folder), shared_memory=self.shared_memory)
        self._subscriber = self._session.declare_subscriber(KEY, self._samples.put)

    def receive(self, timeout: float) -> np.ndarray | None:
        try:
            sample = self._samples.get(timeout=timeout)
        except queue.Empty:
            return None
        return np.frombuffer(sample.payload.to_bytes(), np.uint8)

    def close(self) -> None:
        self._subscriber.undeclare()
        self._session.close()
