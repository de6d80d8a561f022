"""Topics of ROS 2: messages of robots, without a ROS installation."""

import asyncio
import time
from typing import Any, Literal

from pydantic import Field, model_validator

from edgeflow.comms.ros2.images import array_of, compressed_format
from edgeflow.comms.ros2.participant import Participant, Sample, Subscription
from edgeflow.comms.ros2.payloads import plain, stamp_seconds
from edgeflow.errors import ConfigError, MissingExtraError, ProtocolError
from edgeflow.pipelines.connectors.base import ConnectorOptions, RouteOptions
from edgeflow.pipelines.connectors.sensor_time import SensorTime
from edgeflow.pipelines.connectors.session import Outlet, ThreadedConnector
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.ros2_keys import DomainKeys, MessageName, TopicName

__all__ = ["Ros2Connector", "Ros2Options", "Ros2Route"]

WAIT_SECONDS = 0.2
"""How long a wait for messages lasts; bounds how soon the thread sees that it should end."""

LOOK_SECONDS = 0.5
"""How often it looks whether publishers are there, or why not."""


class Ros2Route(RouteOptions):
    """One entry under ``topics:`` of a connector of type ``ros2``.

    Attributes:
        filter: name of the topic, such as ``/camera/image_raw``.
        message: its type; that of the connector if not given.
        serializer: how the text of a ``std_msgs/String`` is decoded; ``none``: it is not.
    """

    filter: TopicName
    message: MessageName | None = None
    serializer: str = "none"


class Ros2Options(DomainKeys, ConnectorOptions):
    """Keys of a connector of type ``ros2``.

    Attributes:
        topic: name of the topic, where there are no ``topics``.
        message: type of its messages, such as ``sensor_msgs/Image``.
        reliability: ``best_effort`` hears every publisher; ``reliable`` only reliable ones, and
            asks again for what was lost.
        serializer: how the text of a ``std_msgs/String`` is decoded (``json``).
        capacity: messages that may wait; the oldest are dropped.
    """

    topic: TopicName | None = None
    message: MessageName | None = None
    reliability: Literal["best_effort", "reliable"] = "best_effort"
    capacity: int = Field(64, ge=1, le=10_000)

    @model_validator(mode="after")
    def _whole(self) -> "Ros2Options":
        if self.topic is not None and self.message is None:
            raise ValueError(f"say the type of the messages of {self.topic}: message: PACKAGE/TYPE")
        return self


class Ros2Connector(ThreadedConnector):
    """Subscribes to topics; pictures become arrays, other messages dicts of their fields."""

    Options = Ros2Options
    Route = Ros2Route
    uses_topics = True
    options: Ros2Options
    routes: tuple[Ros2Route, ...]

    def __init__(self, name: str, options: Any, routes: Any = ()) -> None:
        super().__init__(name, options, routes)
        self.capacity = options.capacity
        self.refused = 0
        self._sensor_time = SensorTime()

    async def start(self) -> None:
        """Check that there is something to listen to, and the package to do it.

        Raises:
            MissingExtraError: it is not installed.
            ConfigError: a topic has no type.
        """
        self._wanted = _wanted(self.options, self.routes)
        try:
            await asyncio.to_thread(__import__, "cyclonedds")
        except ModuleNotFoundError:
            raise MissingExtraError("cyclonedds", "ros2") from None

    def work(self, outlet: Outlet) -> None:
        """Take messages in the connector's thread."""
        options = self.options
        participant = Participant(options.domain_options())
        try:
            qos = options.topic_qos(options.reliability)
            topics = [participant.subscribe(*wanted, qos) for wanted in self._wanted]
            look = 0.0
            while not outlet.stopping.is_set():
                if participant.wait(WAIT_SECONDS):
                    for subscription in topics:
                        self._take(subscription, outlet)
                if time.monotonic() >= look:
                    self._look(topics)
                    look = time.monotonic() + LOOK_SECONDS
        finally:
            participant.close()

    def _look(self, topics: list[Subscription]) -> None:
        if any(subscription.publishers for subscription in topics):
            if self.state != "connected":
                self.connected()
            return
        reason = topics[0].trouble()
        if reason != self.last_error:
            self.log.warning("publisher_missing", error=reason)
        self.state, self.last_error = "waiting", reason

    def _take(self, subscription: Subscription, outlet: Outlet) -> None:
        for sample in subscription.take():
            try:
                outlet.put(self._message(subscription.topic, sample))
            except ProtocolError as error:
                self.refused += 1
                tell = self.log.warning if self.refused == 1 else self.log.debug
                tell("message_refused", topic=subscription.topic, error=str(error))

    def _message(self, topic: str, sample: Sample) -> EdgeMessage:
        routes = [route for route in self.routes if route.filter == topic]
        names = [
            name
            for route in routes
            for name in ([route.pipeline] if isinstance(route.pipeline, str) else route.pipeline)
        ]
        fields = sample.fields()
        header = fields.pop("header", None) or {}
        serializer = routes[0].serializer if routes else self.options.serializer or "none"
        payload, encoding, notes = _payload(sample.message, fields, serializer)
        chosen = next((route.sensor_id for route in routes if route.sensor_id), None)
        frame = {"frame_id": header["frame_id"]} if header else {}
        return EdgeMessage(
            sensor_id=chosen or self.options.sensor_id or f"ros2:{topic}",
            payload=payload,
            encoding=encoding,
            timestamp=self._time(header, sample),
            metadata={"topic": topic, "message": sample.message, **frame, **notes},
            pipeline_override=tuple(dict.fromkeys(names)),
        )

    def _time(self, header: dict[str, Any], sample: Sample) -> float:
        for seconds in (stamp_seconds(header), sample.written):
            found = self._sensor_time.of(seconds, b"", None)
            if found is not None:
                return found
        return time.time()


def _wanted(options: Ros2Options, routes: tuple[Ros2Route, ...]) -> list[tuple[str, str]]:
    found = {route.filter: route.message or options.message for route in reversed(routes)}
    if options.topic is not None:
        found.setdefault(options.topic, options.message)
    for topic, message in found.items():
        if message is None:
            raise ConfigError(
                f"the type of the messages of {topic} is not said",
                hint="add 'message: PACKAGE/TYPE' to the entry, or to the connector",
            )
    if not found:
        raise ConfigError("a ros2 connector listens to no topic", hint="add 'topic' or 'topics'")
    return [(topic, str(message)) for topic, message in found.items()]


def _payload(message: str, fields: dict[str, Any], serializer: str) -> tuple[Any, str, Any]:
    """Return a message's payload, its encoding, and notes for its metadata."""
    if message == "sensor_msgs/msg/Image":
        picture = array_of(fields)
        notes = {"shape": list(picture.shape), "source_encoding": fields["encoding"]}
        return picture, "", notes | ({"encoding": "bgr"} if picture.ndim == 3 else {})
    if message == "sensor_msgs/msg/CompressedImage":
        return bytes(fields["data"]), compressed_format(fields), {"format": fields["format"]}
    if message == "std_msgs/msg/String" and serializer != "none":
        return fields["data"].encode(), serializer, {}
    return plain(fields), "", {}
