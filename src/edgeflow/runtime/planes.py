"""Chooses how each link travels, from where its two ends run."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgeflow.comms.brokers.base import Broker, Publisher, Subscriber, Subscription
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.core.graph import Graph, LinkSpec, Role
from edgeflow.core.qos import DEFAULT_CAPACITY, QoS
from edgeflow.errors import CommsError, ConfigError
from edgeflow.protocols.payloads import require_codec
from edgeflow.runtime.queues import MergedSubscriber

__all__ = ["Planes", "Route", "stream_name"]

OFFSET_SECONDS = 2.0


def stream_name(topic: str, codec: str) -> str:
    """Return the stream of a topic: a codec other than ``raw`` has one of its own."""
    return topic if codec == "raw" else f"{topic}@{codec.replace(':', '-')}"


@dataclass(slots=True)
class Route:
    """Where a node sends one topic.

    Attributes:
        topic: its name.
        publishers: by plane.
        output: the output whose frames go here; None for all frames.
    """

    topic: str
    publishers: list[tuple[str, Publisher]] = field(default_factory=list)
    output: str | None = None


@dataclass
class Planes:
    """The brokers at hand and the rule that picks one per link.

    Attributes:
        graph: the flow.
        brokers: by name: ``memory``, ``shm``, ``broker`` (the app's own), ``tcp``.
        default: plane of a link unless it says otherwise.
        to_gateway: plane of links to a gateway that are not DURABLE; empty for ``default``.
        host_offsets: clocks of other hosts minus ours, as far as they can be known; whoever reads
            the reports of all keeps it up to date.
    """

    graph: Graph
    brokers: dict[str, Broker]
    default: str
    to_gateway: str = ""
    host_offsets: dict[str, ClockOffset] = field(default_factory=dict)
    _measured: dict[str, ClockOffset] = field(default_factory=dict)
    _offset_due: float = 0.0

    def plane_of(self, link: LinkSpec) -> str:
        """Return the name of the plane that carries ``link``."""
        if link.via:
            return self._forced(link)
        target = self.graph.node(link.target)
        if self.to_gateway and target is not None and target.role is Role.GATEWAY:
            return self.default if link.qos is QoS.DURABLE else self.to_gateway
        return self.default

    def _forced(self, link: LinkSpec) -> str:
        name = link.via or ""
        if name in self.brokers:
            return name
        for plane, broker in self.brokers.items():
            if broker.via == name:
                return plane
        raise ConfigError(
            f"link {link.source!r} -> {link.target!r} asks for via={name!r}, which is not "
            "available when the flow runs this way",
            hint=f"available: {', '.join(sorted(self.brokers))}",
        )

    def subscription(self, link: LinkSpec, member: str) -> Subscription:
        """Return what the target of ``link`` subscribes to."""
        return Subscription(
            topic=stream_name(link.topic, link.codec),
            group=link.target,
            qos=link.qos,
            capacity=self.graph.capacity(link),
            member=member,
        )

    def routes(self, node: str, output_topic: str | None) -> list[Route]:
        """Return publishers for a node: its own topic along its links, and ``output_topic``.

        Its topic is on the default plane too where some node may ask for it without a link. Each
        output that a link names is a topic of its own.
        """
        links = self.graph.links_from(node)
        outputs = dict.fromkeys(link.output for link in links if link.output is not None)
        routes = [self._route(node, None)]
        routes += [self._route(f"{node}/{output}", output) for output in outputs]
        if output_topic and output_topic != node:
            extra = self.brokers[self.default].publisher(output_topic)
            routes.append(Route(output_topic, [(self.default, extra)]))
        return routes

    def _route(self, topic: str, output: str | None) -> Route:
        links = [link for link in self.graph.links if link.topic == topic]
        groups: dict[tuple[str, str], list[Subscription]] = {}
        for link in links:
            key = (self.plane_of(link), link.codec)
            groups.setdefault(key, []).append(self.subscription(link, "0"))
        if not links or any(spec.topics_at_runtime for spec in self.graph.nodes):
            groups.setdefault((self.default, "raw"), [])
        route = Route(topic, output=output)
        for (plane, codec), wishes in groups.items():
            stream = stream_name(topic, codec)
            self._require(plane, codec)
            publisher = self.brokers[plane].publisher(stream, wishes, codec=codec)
            route.publishers.append((plane, publisher))
        return route

    def _require(self, plane: str, codec: str) -> None:
        """Fail early where the package of a codec is missing; inside a process none is used."""
        if self.via(plane) != "memory":
            require_codec(codec)

    def subscriber(
        self,
        node: str,
        member: str,
        topics: Sequence[str],
        qos: QoS,
        queue_size: int | None,
        *,
        images: bool = True,
    ) -> Subscriber:
        """Return a subscriber on the links into ``node`` and on ``topics``."""
        wishes: dict[str, list[Subscription]] = {}
        order: list[str] = []
        for link in self.graph.links_into(node):
            wish = replace(self.subscription(link, member), images=images)
            plane = self.plane_of(link)
            self._require(plane, link.codec)
            wishes.setdefault(plane, []).append(wish)
            order.append(wish.topic)
        for topic in topics:
            if topic not in order:
                order.append(topic)
                capacity = queue_size or DEFAULT_CAPACITY[qos]
                wish = Subscription(topic, node, qos, capacity, member, images)
                wishes.setdefault(self.default, []).append(wish)
        subscribers = [self.brokers[plane].subscriber(group) for plane, group in wishes.items()]
        return subscribers[0] if len(subscribers) == 1 else MergedSubscriber(subscribers, order)

    def claim_member(self, node: str, timeout: float) -> int | None:
        """Take a number among the processes that run ``node`` on other hosts too."""
        spec = self.graph.node(node)
        expected = spec.replicas if spec is not None else 1
        return self.brokers[self.default].claim_member(node, expected, timeout)

    def via(self, plane: str) -> str:
        """Return the name shown for a plane."""
        return self.brokers[plane].via

    def clock_offsets(self) -> dict[str, ClockOffset]:
        """Return clocks minus this host's monotonic one, as the brokers have measured them.

        Measured again every few seconds; an unreachable server leaves the last values.
        """
        now = time.monotonic()
        if now >= self._offset_due:
            self._offset_due = now + OFFSET_SECONDS
            for name in dict.fromkeys((self.to_gateway, self.default)):
                if name:
                    with contextlib.suppress(CommsError):
                        self._measured = self._measured | self.brokers[name].clock_offsets()
        return self._measured

    def close(self) -> None:
        """Close every broker."""
        for broker in self.brokers.values():
            broker.close()
