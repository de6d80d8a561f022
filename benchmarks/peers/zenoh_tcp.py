"""Zenoh over TCP on loopback."""

from benchmarks.peers.zenoh_session import TcpSender, ZenohReceiver
from benchmarks.stamps import Setup

__all__ = ["receiver", "sender"]

sender = TcpSender


def receiver(setup: Setup) -> ZenohReceiver:
    return ZenohReceiver(setup, shared_memory=False)
