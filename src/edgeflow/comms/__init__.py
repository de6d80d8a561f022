"""Moving frames between nodes: brokers, the shared-memory ring, direct TCP links."""

from importlib import import_module
from typing import Any

__all__ = ["DualRedisBroker", "RedisBroker"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("edgeflow.comms.brokers"), name)
    raise AttributeError(f"module 'edgeflow.comms' has no attribute {name!r}")
