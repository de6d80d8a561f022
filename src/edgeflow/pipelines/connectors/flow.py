"""Topics of a flow that runs on this host."""

import time
from typing import Any

from edgeflow.core.frame import Frame
from edgeflow.errors import UnreachableError
from edgeflow.pipelines.connectors.base import ConnectorOptions, RouteOptions
from edgeflow.pipelines.connectors.session import Outlet, ThreadedConnector
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.runtime.attach import attach

__all__ = ["FlowConnector", "FlowOptions"]

RECEIVE_SECONDS = 0.2
"""How long a wait for a frame lasts; bounds how soon the thread sees that it should end."""


class FlowOptions(ConnectorOptions):
    """Keys of a connector of type ``flow``.

    Attributes:
        app: name of the running app; may be left out when one runs.
        topic: the topic, where there are no ``topics``.
        every: take every frame, up to ``capacity`` that wait; false for the newest of each topic.
        capacity: frames that may wait when ``every`` is set.
    """

    app: str | None = None
    topic: str | None = None
    every: bool = False
    capacity: int = 256


class FlowConnector(ThreadedConnector):
    """Taps topics of a running flow; it takes no work from it and holds nothing back."""

    Options = FlowOptions
    uses_topics = True
    options: FlowOptions

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        super().__init__(name, options, routes)
        self.topics = list(dict.fromkeys(route.filter for route in routes))
        if options.topic is not None and options.topic not in self.topics:
            self.topics.append(options.topic)
        self.capacity = options.capacity if options.every else max(1, len(self.topics))

    def work(self, outlet: Outlet) -> None:
        """Receive frames in the connector's thread."""
        with attach(self.options.app) as flow:
            tap = flow.tap(self.topics or flow.topics(), latest=not self.options.every)
            self.connected()
            while not outlet.stopping.is_set():
                frame = tap.receive(RECEIVE_SECONDS)
                if frame is not None:
                    outlet.put(self._message(frame))
        if not outlet.stopping.is_set():
            raise UnreachableError("the flow has ended")

    def _message(self, frame: Frame) -> EdgeMessage:
        routes = [route for route in self.routes if route.filter == frame.topic]
        names = [
            name
            for route in routes
            for name in ([route.pipeline] if isinstance(route.pipeline, str) else route.pipeline)
        ]
        chosen = next((route.sensor_id for route in routes if route.sensor_id), None)
        raw = isinstance(frame.data, bytes | bytearray | memoryview)
        serializer = routes[0].serializer if routes else self.options.serializer
        return EdgeMessage(
            sensor_id=chosen or self.options.sensor_id or frame.source or frame.topic,
            payload=bytes(frame.data) if raw else frame.data,
            encoding=(serializer or "raw") if raw else "",
            timestamp=frame.timestamp or time.time(),
            metadata={**frame.meta, "topic": frame.topic, "id": frame.id},
            pipeline_override=tuple(dict.fromkeys(names)),
        )
