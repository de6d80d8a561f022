"""What a user subclasses: producers, consumers, fusions, sinks and gateways."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeflow.nodes.base import Node
    from edgeflow.nodes.consumer import ConsumerNode
    from edgeflow.nodes.fusion import FusionNode
    from edgeflow.nodes.gateway.node import GatewayNode
    from edgeflow.nodes.output import Output
    from edgeflow.nodes.producer import ProducerNode
    from edgeflow.nodes.sink import SinkNode

__all__ = [
    "ConsumerNode",
    "FusionNode",
    "GatewayNode",
    "Node",
    "Output",
    "ProducerNode",
    "SinkNode",
]

_HOMES = {
    "Node": "base",
    "ProducerNode": "producer",
    "ConsumerNode": "consumer",
    "FusionNode": "fusion",
    "SinkNode": "sink",
    "GatewayNode": "gateway.node",
    "Output": "output",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'edgeflow.nodes' has no attribute {name!r}")
    return getattr(import_module(f"edgeflow.nodes.{home}"), name)
