"""The graph as plain data: nodes, links, QoS. Checked in ``checks``, drawn in ``render``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from edgeflow.core.qos import DEFAULT_CAPACITY, QoS

__all__ = ["Graph", "LinkSpec", "NodeSpec", "OnError", "Role"]


class Role(StrEnum):
    """What a node is in the graph."""

    PRODUCER = "producer"
    CONSUMER = "consumer"
    FUSION = "fusion"
    SINK = "sink"
    GATEWAY = "gateway"

    @property
    def is_end(self) -> bool:
        """True for nodes that nothing may be linked from."""
        return self in (Role.SINK, Role.GATEWAY)


class OnError(StrEnum):
    """What happens when user code of a node raises."""

    SKIP = "skip"
    RESTART = "restart"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A declared node.

    Attributes:
        name: unique in the graph.
        role: what the node is.
        factory: makes an instance when called with ``options``; called in the process that runs
            the node.
        options: keywords of the declaration that are the node's own (``fps``, ``node_port``...).
        replicas: instances that share the node's input.
        device: label of the hardware it wants; used by deployments and shown.
        queue_size: default bound, in frames, of the links into this node.
        on_error: what happens when user code raises.
        place: ``file:line`` of the declaration.
        topics_at_runtime: the class may choose its ``input_topics`` in ``configure``.
    """

    name: str
    role: Role
    factory: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    replicas: int = 1
    device: str | None = None
    queue_size: int | None = None
    on_error: OnError = OnError.RESTART
    place: str = ""
    topics_at_runtime: bool = False


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A declared link from one node to another.

    Attributes:
        source: node that publishes.
        target: node that receives.
        qos: what happens when the target is slower.
        codec: how arrays travel on a wire: ``raw``, ``lz4`` (both lossless) or ``jpeg:QUALITY``.
        channel: name the target sees instead of the source's (a web channel).
        queue_size: bound in frames; None for the target's, else the policy's default.
        via: transport forced for this link (``memory``, ``shm``, ``tcp``, ``broker``), or None.
        output: the source's output whose frames the link carries; None for every frame.
    """

    source: str
    target: str
    qos: QoS = QoS.REALTIME
    codec: str = "raw"
    channel: str | None = None
    queue_size: int | None = None
    via: str | None = None
    place: str = ""
    output: str | None = None

    @property
    def topic(self) -> str:
        """What travels along the link: the source's name, or ``source/output``."""
        return self.source if self.output is None else f"{self.source}/{self.output}"


@dataclass(frozen=True)
class Graph:
    """Everything that was declared, in order; may hold mistakes until it is checked."""

    name: str
    nodes: tuple[NodeSpec, ...] = ()
    links: tuple[LinkSpec, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the nodes, in order of declaration."""
        return [node.name for node in self.nodes]

    def node(self, name: str) -> NodeSpec | None:
        """Return the node of that name, or None."""
        return next((node for node in self.nodes if node.name == name), None)

    def links_into(self, name: str) -> list[LinkSpec]:
        """Links whose target is ``name``."""
        return [link for link in self.links if link.target == name]

    def links_from(self, name: str) -> list[LinkSpec]:
        """Links whose source is ``name``."""
        return [link for link in self.links if link.source == name]

    def capacity(self, link: LinkSpec) -> int:
        """Frames the link may hold: its own bound, the target's, or the policy's default.

        A REALTIME link holds one whatever they say: the newest.
        """
        if link.qos is QoS.REALTIME:
            return 1
        target = self.node(link.target)
        return (
            link.queue_size or (target.queue_size if target else None) or DEFAULT_CAPACITY[link.qos]
        )

    def upstream_first(self) -> list[NodeSpec]:
        """Return the nodes so that every link leads from an earlier to a later one."""
        depth = self.depths()
        return sorted(self.nodes, key=lambda node: depth[node.name])

    def depths(self) -> dict[str, int]:
        """Return how many links the longest way from a source to each node has."""
        depth = {node.name: 0 for node in self.nodes}
        for _ in self.nodes:
            for link in self.links:
                if link.source in depth and link.target in depth:
                    depth[link.target] = max(depth[link.target], depth[link.source] + 1)
        return depth
