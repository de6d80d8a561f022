"""Zenoh through its shared memory; the sessions find each other over TCP."""

from benchmarks.peers.zenoh_session import SharedMemorySender, ZenohReceiver
from benchmarks.stamps import Setup

__all__ = ["receiver", "sender"]

sender = SharedMemorySender


def receiver(setup: Setup) -> ZenohReceiver:
    return ZenohReceiver(setup, shared_memory=True)
