"""Listening to the frames of a running flow without taking part in it."""

import uuid
from collections.abc import Callable, Sequence

from edgeflow.comms.brokers.base import Broker, Subscriber, Subscription
from edgeflow.core.frame import Frame
from edgeflow.core.graph import Graph
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.runtime.planes import stream_name

__all__ = ["BrokerTap", "BrokerTaps"]

TAP_CAPACITY = 256


class BrokerTaps:
    """The ``FrameSource`` of a run: taps are groups of their own on the run's broker.

    Args:
        graph: the declared flow.
        broker: carries the topics.
        extra_topics: returns topics that nodes chose at run time.
    """

    def __init__(
        self, graph: Graph, broker: Broker, extra_topics: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self._graph = graph
        self._broker = broker
        self._extra_topics = extra_topics

    def topics(self) -> list[str]:
        """Return the topics that can be tapped."""
        declared = [node.name for node in self._graph.nodes if not node.role.is_end]
        declared += dict.fromkeys(link.topic for link in self._graph.links if link.output)
        return declared + [name for name in self._extra_topics() if name not in declared]

    def tap(self, topics: Sequence[str], *, latest: bool = True) -> "BrokerTap":
        """Listen on ``topics``.

        Raises:
            ConfigError: a topic does not exist.
        """
        known = self.topics()
        for topic in topics:
            if topic not in known:
                raise ConfigError(f"no topic {topic!r}", hint=did_you_mean(topic, known))
        group = f"tap-{uuid.uuid4().hex[:12]}"
        qos = QoS.REALTIME if latest else QoS.BALANCED
        return BrokerTap(
            self._broker.subscriber(
                [Subscription(self._stream(topic), group, qos, TAP_CAPACITY) for topic in topics]
            )
        )

    def _stream(self, topic: str) -> str:
        """Return the stream that carries ``topic``: as it is, or else as some link encodes it."""
        codecs = [
            link.codec for link in self._graph.links if link.topic == topic and link.via is None
        ]
        anybody = any(spec.topics_at_runtime for spec in self._graph.nodes)
        return topic if anybody or not codecs or "raw" in codecs else stream_name(topic, codecs[0])


class BrokerTap:
    """One listener."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber

    def receive(self, timeout: float) -> Frame | None:
        """Return the next frame, or None after ``timeout`` seconds."""
        delivery = self._subscriber.receive(timeout)
        return delivery.frame if delivery is not None else None

    @property
    def dropped(self) -> int:
        """Frames that came faster than they were taken."""
        return sum(counters.dropped for counters in self._subscriber.links.values())

    def close(self) -> None:
        """Stop listening."""
        self._subscriber.close()
