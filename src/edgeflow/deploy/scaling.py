"""When more instances of a node are to be started: when frames wait."""

from edgeflow.comms.redis.server import Keys
from edgeflow.core.graph import Graph, NodeSpec, Role
from edgeflow.core.qos import QoS
from edgeflow.deploy.demands import Demands
from edgeflow.deploy.workloads import Scale
from edgeflow.errors import ConfigError
from edgeflow.runtime.planes import stream_name

__all__ = ["scale_of"]


def scale_of(graph: Graph, node: NodeSpec, asked: Demands, place: str) -> Scale | None:
    """Return the bounds of a node's instances, or None where their number is fixed.

    Half of what a link can hold, shared by all instances there may be, is the default of
    ``waiting``: a full link then asks for the most of them.

    Raises:
        ConfigError: the node cannot be scaled that way.
    """
    if asked.max_replicas is None:
        return None
    if node.role not in (Role.CONSUMER, Role.SINK):
        raise ConfigError(
            f"{place}: deploy: max_replicas, but frames of a {node.role} cannot be shared out",
            hint="only consumers and sinks can have replicas",
        )
    if asked.max_replicas < node.replicas:
        raise ConfigError(
            f"{place}: deploy: max_replicas={asked.max_replicas} is below replicas={node.replicas}"
        )
    links = [link for link in graph.links_into(node.name) if link.qos is not QoS.REALTIME]
    if not links:
        raise ConfigError(
            f"{place}: deploy: max_replicas, but no link into the node lets frames wait",
            hint="a REALTIME link holds only the newest frame: use qos=QoS.BALANCED or DURABLE",
        )
    usual = min(graph.capacity(link) for link in links) // (2 * asked.max_replicas)
    return Scale(
        low=node.replicas,
        high=asked.max_replicas,
        waiting=asked.waiting or max(1, usual),
        streams=tuple(
            Keys(graph.name).stream(stream_name(link.topic, link.codec)) for link in links
        ),
        group=node.name,
    )
