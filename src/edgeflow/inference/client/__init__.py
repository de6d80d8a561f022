"""Models called over a wire: one connection, pools for asyncio, or a service for threads."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeflow.inference.client.backoff import Retry
    from edgeflow.inference.client.breaker import BreakerRule
    from edgeflow.inference.client.gateways import Gateway
    from edgeflow.inference.client.remote import RemoteService
    from edgeflow.inference.client.routing import AsyncTensorClient
    from edgeflow.inference.client.sync import TensorClient

__all__ = [
    "AsyncTensorClient",
    "BreakerRule",
    "Gateway",
    "RemoteService",
    "Retry",
    "TensorClient",
]

_HOMES = {
    "AsyncTensorClient": "routing",
    "BreakerRule": "breaker",
    "Gateway": "gateways",
    "RemoteService": "remote",
    "Retry": "backoff",
    "TensorClient": "sync",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'edgeflow.inference.client' has no attribute {name!r}")
    return getattr(import_module(f"edgeflow.inference.client.{home}"), name)
