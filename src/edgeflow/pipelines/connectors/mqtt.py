"""``type: mqtt``: messages of a broker."""

import re
import socket
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import msgspec
from pydantic import Field, field_validator

from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.comms.mqtt.topics import check_filter, covers, matches, overlaps
from edgeflow.errors import CommsError, ConfigError
from edgeflow.pipelines.connectors.base import BaseConnector, ConnectorOptions, RouteOptions
from edgeflow.pipelines.connectors.sensor_time import SensorTime
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.mqtt_keys import BrokerKeys

__all__ = ["MqttConnector", "MqttConnectorOptions", "MqttRoute"]

_REMEMBERED = 4096
_USER_PROPERTIES = 16
_STOP_SECONDS = 0.5
_ID = re.compile(r"[^A-Za-z0-9_-]+")


class MqttConnectorOptions(BrokerKeys, ConnectorOptions):
    """Keys of an MQTT connector.

    Attributes:
        qos: at which it subscribes; a route may say otherwise. What the sensor publishes at a
            lower one stays there.
        client_id: made of host name and connector id if not given.
        clean_session: the broker forgets this connector when it leaves. If not given: only where
            no route has QoS 1 or 2.
        timestamp_key: key of a JSON payload that holds the sensor's own time; ``a.b`` looks inside.
        timestamp_property: user property (MQTT 5) that holds it.
        throttle_topic: where ``{"interval_s": N}`` asks a sensor to send less; ``{topic}`` and
            ``{sensor_id}`` are filled in. Empty for never.
        max_queue: messages held here; more wait at the broker.
        max_message: longer messages are passed over, in bytes.
    """

    qos: Literal[0, 1, 2] = 1
    client_id: str | None = Field(default=None, min_length=1, max_length=256)
    clean_session: bool | None = None
    timestamp_key: str | None = Field(default=None, min_length=1, max_length=256)
    timestamp_property: str = "timestamp"
    throttle_topic: str = "{topic}/throttle"
    max_queue: int = Field(default=1000, ge=1, le=1_000_000)
    max_message: int = Field(default=16 << 20, ge=1024, le=256 << 20)


class MqttRoute(RouteOptions):
    """One entry under ``topics:`` of an MQTT connector.

    Attributes:
        qos: of its subscription; the connector's if not given.
        timestamp_key: where its sensors put their own time; the connector's if not given.
    """

    qos: Literal[0, 1, 2] | None = None
    timestamp_key: str | None = Field(default=None, min_length=1, max_length=256)

    @field_validator("filter")
    @classmethod
    def _valid(cls, pattern: str) -> str:
        try:
            return check_filter(pattern)
        except ConfigError as error:
            raise ValueError(str(error)) from error


@dataclass(slots=True)
class _Way:
    """What becomes of a message: those of its routes that read it alike share one."""

    serializer: str
    sensor_id: str
    timestamp_key: str | None
    pipelines: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Receipt:
    """What the broker is told when all messages made of an incoming one are done."""

    incoming: Incoming
    open: int
    finished: set[int] = field(default_factory=set)


class MqttConnector(BaseConnector):
    """Receives from a broker.

    A message goes to the pipelines of all routes that match its topic: as one ``EdgeMessage``
    where they agree on serializer, sensor and time, else as one for each way of reading it. The
    broker is told when the last of them is acknowledged; after a crash it delivers again
    (``metadata["duplicate"]``).
    """

    Options: ClassVar[type[ConnectorOptions]] = MqttConnectorOptions
    Route: ClassVar[type[RouteOptions]] = MqttRoute
    uses_topics: ClassVar[bool] = True

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        super().__init__(name, options, routes)
        self.unmatched = 0
        self._client: Any = None
        self._ways: OrderedDict[str, list[_Way]] = OrderedDict()
        self._topics: OrderedDict[str, str] = OrderedDict()
        self._own_topics: OrderedDict[str, None] = OrderedDict()
        self._time = SensorTime()

    @property
    def state(self) -> str:
        """``connecting``, ``connected``, ``waiting`` or ``ended``."""
        if self._client is None:
            return self._state
        return "ended" if self._client.state == "stopped" else str(self._client.state)

    @state.setter
    def state(self, value: str) -> None:
        self._state = value

    @property
    def last_error(self) -> str | None:
        """Why it is not connected, or deaf for a topic."""
        return self._client.last_error if self._client is not None else self._error

    @last_error.setter
    def last_error(self, value: str | None) -> None:
        self._error = value

    @property
    def counters(self) -> Any:
        """What the client has done (``MqttCounters``); None before ``start``."""
        return self._client.counters if self._client is not None else None

    async def start(self) -> None:
        """Begin to connect."""
        from edgeflow.comms.mqtt.client import MqttClient

        wanted = self._subscriptions()
        keys = self.options
        client_id = keys.client_id or _ID.sub("-", f"edgeflow-{socket.gethostname()}-{self.name}")
        clean = keys.clean_session
        options = keys.mqtt_options(
            client_id=client_id,
            clean_session=not any(wanted.values()) if clean is None else clean,
            manual_ack=True,
            inbox=keys.max_queue,
            max_packet=keys.max_message,
        )
        self._client = MqttClient(options, name=self.name)
        for pattern, qos in wanted.items():
            await self._client.subscribe(pattern, qos)
        await self._client.start()

    async def stop(self) -> None:
        """Leave the broker; it keeps what comes meanwhile, unless the session is clean."""
        if self._client is not None:
            await self._client.stop(_STOP_SECONDS)

    async def iter_messages(self) -> AsyncIterator[EdgeMessage]:
        """Yield messages until cancelled."""
        async with aclosing(self._client.messages()) as incoming:
            async for one in incoming:
                for message in self._made_of(one):
                    yield message

    async def acknowledge(self, message: EdgeMessage) -> None:
        """Tell the broker, once everything made of its message is done."""
        receipt = message.receipt
        if not isinstance(receipt, _Receipt) or id(message) in receipt.finished:
            return
        receipt.finished.add(id(message))
        receipt.open -= 1
        if receipt.open == 0:
            self._client.acknowledge(receipt.incoming)

    async def throttle(self, sensor_id: str, interval_s: float) -> bool:
        """Publish ``{"interval_s": N}`` for a sensor, at QoS 1."""
        template = self.options.throttle_topic
        topic = self._topics.get(sensor_id)
        if not template or topic is None or self._client is None:
            return False
        where = template.replace("{topic}", topic).replace("{sensor_id}", sensor_id)
        _remember(self._own_topics, where, None)
        try:
            self._client.post(where, msgspec.json.encode({"interval_s": interval_s}))
        except (CommsError, ConfigError) as error:
            self.log.warning("throttle_failed", topic=where, error=str(error))
            return False
        return True

    # From topics to messages

    def _subscriptions(self) -> dict[str, int]:
        """Return filters with their QoS, without those that others take in.

        Some brokers deliver a message once for every subscription that matches.
        """
        if not self.routes:
            raise ConfigError(
                f"connector {self.name!r} has no topics",
                hint="list them under 'topics:', each with 'filter' and 'pipeline'",
            )
        wanted: dict[str, int] = {}
        for route in self._mqtt_routes():
            qos = self.options.qos if route.qos is None else route.qos
            wanted[route.filter] = max(qos, wanted.get(route.filter, 0))
        kept: dict[str, int] = {}
        for pattern in wanted:
            wider = [other for other in wanted if other != pattern and covers(other, pattern)]
            if not wider:
                inside = [qos for other, qos in wanted.items() if covers(pattern, other)]
                kept[pattern] = max(inside)
        for number, pattern in enumerate(kept):
            for other in list(kept)[:number]:
                if overlaps(pattern, other):
                    self.log.warning("mqtt_filters_overlap", filters=[other, pattern])
        return kept

    def _mqtt_routes(self) -> Iterator[MqttRoute]:
        return (cast(MqttRoute, route) for route in self.routes)

    def _receipt(self, incoming: Incoming, messages: int = 1) -> "_Receipt":
        """Return the receipt of all messages that are made of an incoming one."""
        return _Receipt(incoming, messages)

    def _made_of(self, incoming: Incoming) -> list[EdgeMessage]:
        ways = [] if incoming.topic in self._own_topics else self._ways_of(incoming.topic)
        receipt = self._receipt(incoming, len(ways))
        if not ways:
            if incoming.topic not in self._own_topics:
                self.unmatched += 1
                self.log.debug("message_unmatched", topic=incoming.topic)
            self._client.acknowledge(incoming)
        return [self._message(incoming, way, receipt) for way in ways]

    def _ways_of(self, topic: str) -> list[_Way]:
        ways = self._ways.get(topic)
        if ways is None:
            ways = self._find_ways(topic)
            _remember(self._ways, topic, ways)
        return ways

    def _find_ways(self, topic: str) -> list[_Way]:
        ways: list[_Way] = []
        for route in self._mqtt_routes():
            if not matches(route.filter, topic):
                continue
            serializer = self.options.serializer or route.serializer
            if "serializer" in route.model_fields_set:
                serializer = route.serializer
            sensor = route.sensor_id or self.options.sensor_id or topic
            key = route.timestamp_key or self.options.timestamp_key
            names = (route.pipeline,) if isinstance(route.pipeline, str) else tuple(route.pipeline)
            for way in ways:
                if (way.serializer, way.sensor_id, way.timestamp_key) == (serializer, sensor, key):
                    way.pipelines = tuple(dict.fromkeys(way.pipelines + names))
                    break
            else:
                ways.append(_Way(serializer, sensor, key, tuple(dict.fromkeys(names))))
            _remember(self._topics, sensor, topic)
        return ways

    def _message(self, incoming: Incoming, way: _Way, receipt: _Receipt) -> EdgeMessage:
        metadata: dict[str, Any] = {
            "topic": incoming.topic,
            "qos": incoming.qos,
            "retained": incoming.retain,
            "duplicate": incoming.duplicate,
        }
        user = dict(incoming.user[:_USER_PROPERTIES])
        if user:
            metadata["user"] = user
        held_for = max(0.0, time.monotonic() - incoming.received)
        stated = user.get(self.options.timestamp_property) if user else None
        is_json = way.serializer == "json"
        timestamp = self._time.of(
            stated, incoming.payload if is_json else b"", way.timestamp_key if is_json else None
        )
        if timestamp is not None:
            metadata["sensor_time"] = True
        return EdgeMessage(
            sensor_id=way.sensor_id,
            payload=incoming.payload,
            encoding=way.serializer,
            timestamp=time.time() - held_for if timestamp is None else timestamp,
            received=incoming.received,
            metadata=metadata,
            pipeline_override=way.pipelines,
            receipt=receipt,
        )


def _remember(cache: "OrderedDict[str, Any]", key: str, value: Any) -> None:
    """Add to a cache that forgets its oldest entries: topics come from outside."""
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > _REMEMBERED:
        cache.popitem(last=False)
