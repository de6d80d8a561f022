"""``type: mqtt``: publishes to a broker."""

import asyncio
import base64
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from edgeflow.comms.mqtt.topics import check_topic
from edgeflow.errors import ConfigError, EdgeFlowError, UnreachableError
from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.actions.body import action_body, encode_json
from edgeflow.pipelines.message import Action, ActionResult
from edgeflow.pipelines.mqtt_keys import BrokerKeys

__all__ = ["MqttDispatcher", "MqttDispatcherOptions"]

MAX_WAITING = 32
"""Actions that wait for a broker which does not answer; more would hold up who sends them."""

PATIENCE = 1.0
"""Seconds until a broker that is connected counts as one which does not answer."""


class MqttDispatcherOptions(BrokerKeys, DispatcherOptions):
    """Keys of an MQTT action. ``host`` may be the id of an MQTT connector: its broker is used.

    Attributes:
        topic: where to publish, unless the agent names a target.
        format: ``json`` publishes ``{"agent", "pipeline", ...payload}`` and bytes as they are;
            ``base64`` puts bytes into the JSON, too, under ``data``.
        qos: 0: the result is ok when the message was sent; 1 and 2: when the broker confirmed.
        retain: the broker keeps the last message for those who subscribe later.
        client_id: random if not given.
        timeout: seconds for the broker to take it. At QoS 1 and 2 the message is sent when the
            broker is back, even so.
        max_queue: messages at QoS 1 and 2 kept while the broker is away.
    """

    topic: str | None = None
    format: Literal["json", "base64"] = "json"
    qos: Literal[0, 1, 2] = 0
    retain: bool = False
    client_id: str | None = Field(default=None, min_length=1, max_length=256)
    timeout: float = Field(default=5.0, gt=0, le=60)
    max_queue: int = Field(default=1000, ge=1, le=100_000)

    @field_validator("topic")
    @classmethod
    def _valid(cls, topic: str | None) -> str | None:
        try:
            return None if topic is None else check_topic(topic)
        except ConfigError as error:
            raise ValueError(str(error)) from error


class MqttDispatcher(Dispatcher):
    """Publishes each action; actions with the same broker options share a connection."""

    Options: ClassVar[type[DispatcherOptions]] = MqttDispatcherOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self._share: Any = None
        self._waiting: dict[object, float] = {}

    async def start(self) -> None:
        """Begin to connect."""
        from edgeflow.comms.mqtt.shared import share

        keys = self.options
        self._share = await share(
            keys.mqtt_options(client_id=keys.client_id or "", outbox=keys.max_queue)
        )

    async def stop(self) -> None:
        """Leave the broker, after a moment for what was not confirmed yet."""
        if self._share is not None:
            await self._share.release()
            self._share = None

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Publish to the action's target, else to ``topic``."""
        keys = self.options
        topic = action.target or keys.topic
        if not topic:
            return ActionResult(
                ok=False, detail="neither the action nor the dispatcher has a topic"
            )
        if self._share is None:
            return ActionResult(ok=False, detail="the dispatcher is not running", target=topic)
        try:
            data = self._data(action, agent, pipeline)
            await self._publish(self._share.client, topic, data)
        except EdgeFlowError as error:
            return ActionResult(ok=False, detail=str(error), target=topic)
        how = "confirmed by the broker" if keys.qos else "sent"
        said = f"published to {topic} ({len(data)} bytes, {how})"
        return ActionResult(ok=True, detail=said, target=topic)

    async def _publish(self, client: Any, topic: str, data: bytes) -> None:
        keys = self.options
        if self._is_crowded(client):
            if keys.qos:
                client.post(topic, data, qos=keys.qos, retain=keys.retain)
            later = "it stays in the outbox" if keys.qos else "it was not sent"
            raise UnreachableError(f"{len(self._waiting)} messages wait for the broker; {later}")
        ticket = object()
        self._waiting[ticket] = asyncio.get_running_loop().time()
        try:
            if not keys.qos and not client.counters.connects:
                await client.wait_connected(keys.timeout)
            await client.publish(
                topic, data, qos=keys.qos, retain=keys.retain, timeout=keys.timeout
            )
        finally:
            del self._waiting[ticket]

    def _is_crowded(self, client: Any) -> bool:
        if len(self._waiting) < MAX_WAITING:
            return False
        oldest = next(iter(self._waiting.values()))
        return not client.is_connected or asyncio.get_running_loop().time() - oldest > PATIENCE

    def _data(self, action: Action, agent: str, pipeline: str) -> bytes:
        payload = action.payload
        is_bytes = isinstance(payload, bytes | bytearray | memoryview)
        if is_bytes and self.options.format == "base64":
            text = base64.b64encode(payload).decode()
            return encode_json({"agent": agent, "pipeline": pipeline, "data": text})
        return action_body(action, agent=agent, pipeline=pipeline).data
