"""Frames to a gateway node in another process or on another host: length-prefixed TCP.

Each frame follows its length, a big-endian uint32 (``protocols.frames``). Version-1 senders are
understood. Our own senders also ping twice a second; the receiver answers with its clock, from
which the sender's host learns the offset, and drops a pinging peer that has fallen silent.
"""

from importlib import import_module
from typing import Any

__all__ = ["TcpBroker"]


def __getattr__(name: str) -> Any:
    if name != "TcpBroker":
        raise AttributeError(f"module 'edgeflow.comms.tcp' has no attribute {name!r}")
    return import_module("edgeflow.comms.tcp.broker").TcpBroker
