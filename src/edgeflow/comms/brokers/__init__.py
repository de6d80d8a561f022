"""Brokers: one semantics, several ways to carry it. Constructing one connects to nothing."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Broker": "base",
    "Delivery": "base",
    "Publisher": "base",
    "Subscriber": "base",
    "Subscription": "base",
    "DualRedisBroker": "dual_redis",
    "MemoryBroker": "memory",
    "RedisBroker": "redis",
    "ShmBroker": "shm",
    "ZenohBroker": "zenoh",
}
__all__ = [
    "Broker",
    "Delivery",
    "DualRedisBroker",
    "MemoryBroker",
    "Publisher",
    "RedisBroker",
    "ShmBroker",
    "Subscriber",
    "Subscription",
    "ZenohBroker",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'edgeflow.comms.brokers' has no attribute {name!r}")
    return getattr(import_module(f"edgeflow.comms.brokers.{home}"), name)
