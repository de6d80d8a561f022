"""``type: ros2``: publishes on a topic of ROS 2."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgeflow.comms.ros2.images import compressed_fields, image_fields
from edgeflow.comms.ros2.names import check_topic
from edgeflow.comms.ros2.participant import Participant, Publication
from edgeflow.comms.ros2.payloads import header_of
from edgeflow.errors import (
    ConfigError,
    EdgeFlowError,
    MissingExtraError,
    PayloadError,
    UnreachableError,
)
from edgeflow.pipelines.actions.base import Dispatcher, DispatcherOptions
from edgeflow.pipelines.actions.body import action_body, encode_json
from edgeflow.pipelines.message import Action, ActionResult
from edgeflow.pipelines.ros2_keys import DomainKeys, MessageName, TopicName
from edgeflow.protocols.ros_messages import message

__all__ = ["Ros2Dispatcher", "Ros2DispatcherOptions"]

MAX_TOPICS = 64
"""Topics that agents may name as targets, in all."""

POLL_SECONDS = 0.02


class Ros2DispatcherOptions(DomainKeys, DispatcherOptions):
    """Keys of a ROS 2 action.

    Attributes:
        topic: where to publish, unless the agent names a target.
        message: type of the messages; ``std_msgs/String`` gets the action as JSON.
        reliability: ``reliable`` reaches every subscriber; ``best_effort`` only such.
        frame_id: of the header, for messages that have one.
        timeout: seconds from the announcement of a topic in which subscribers may turn up.
            Without one an action has failed, unless ``durability`` keeps it for those that come
            late.
    """

    topic: TopicName | None = None
    message: MessageName = "std_msgs/msg/String"
    reliability: Literal["reliable", "best_effort"] = "reliable"
    frame_id: str = ""
    timeout: float = Field(1.0, ge=0, le=60)


class Ros2Dispatcher(Dispatcher):
    """Publishes each action as one message."""

    Options: ClassVar[type[DispatcherOptions]] = Ros2DispatcherOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self._lock = asyncio.Lock()
        self._participant: Participant | None = None
        self._publications: dict[str, tuple[Publication, float]] = {}

    async def start(self) -> None:
        """Announce the topic, if the network is there already; else the first action does.

        Raises:
            MissingExtraError: the package is not installed.
        """
        try:
            await asyncio.to_thread(__import__, "cyclonedds")
        except ModuleNotFoundError:
            raise MissingExtraError("cyclonedds", "ros2") from None
        if self.options.topic is not None:
            try:
                await self._publication(self.options.topic)
            except (ConfigError, UnreachableError) as error:
                self.log.warning("domain_unreachable", error=str(error))

    async def stop(self) -> None:
        """Leave the domain."""
        async with self._lock:
            participant, self._participant = self._participant, None
            self._publications = {}
            if participant is not None:
                await asyncio.to_thread(participant.close)

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Publish on the action's target, else on ``topic``."""
        options = self.options
        topic = action.target or options.topic
        if not topic:
            return ActionResult(
                ok=False, detail="neither the action nor the dispatcher has a topic"
            )
        try:
            fields = self._fields(action, agent, pipeline)
            publication, announced = await self._publication(check_topic(topic))
            if options.durability == "volatile" and not await _is_heard(
                publication, announced + options.timeout
            ):
                raise UnreachableError(f"nobody subscribes to {publication.topic}")
            size = await asyncio.to_thread(publication.send, fields)
        except EdgeFlowError as error:
            return ActionResult(ok=False, detail=str(error), target=topic)
        said = f"published {options.message} on {publication.topic} ({size} bytes)"
        return ActionResult(ok=True, detail=said, target=topic)

    async def _publication(self, topic: str) -> tuple[Publication, float]:
        async with self._lock:
            if topic not in self._publications:
                if len(self._publications) >= MAX_TOPICS:
                    raise PayloadError(f"more than {MAX_TOPICS} topics")
                made = await asyncio.to_thread(self._announce, topic)
                self._publications[topic] = made, time.monotonic()
            return self._publications[topic]

    def _announce(self, topic: str) -> Publication:
        options = self.options
        if self._participant is None:
            self._participant = Participant(options.domain_options())
        qos = options.topic_qos(options.reliability)
        return self._participant.publish(topic, options.message, qos)

    def _fields(self, action: Action, agent: str, pipeline: str) -> dict[str, Any]:
        payload, kind = action.payload, self.options.message
        if kind == "std_msgs/msg/String":
            return {"data": payload if isinstance(payload, str) else _json(action, agent, pipeline)}
        if kind == "std_msgs/msg/Empty":
            return {}
        header = header_of(time.time(), self.options.frame_id)
        if kind == "sensor_msgs/msg/Image" and isinstance(payload, np.ndarray):
            return image_fields(payload, header)
        if kind == "sensor_msgs/msg/CompressedImage" and isinstance(payload, bytes):
            return compressed_fields(payload, header)
        names = [field.name for field in message(kind).fields]
        if names == ["data"]:
            return {"data": _single(payload)}
        if not isinstance(payload, Mapping):
            raise PayloadError(f"{type(payload).__name__} is no dict of the fields of {kind}")
        return {**({"header": header} if "header" in names else {}), **payload}


async def _is_heard(publication: Publication, until: float) -> bool:
    while not publication.subscribers:
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def _json(action: Action, agent: str, pipeline: str) -> str:
    if isinstance(action.payload, bytes | bytearray | memoryview):
        whole = {"agent": agent, "pipeline": pipeline, "data": bytes(action.payload)}
        return encode_json(whole).decode()
    return action_body(action, agent=agent, pipeline=pipeline).data.decode()


def _single(payload: Any) -> Any:
    """Return the one value that a payload holds."""
    if isinstance(payload, Mapping):
        for key in ("data", "value"):
            if key in payload:
                return payload[key]
        raise PayloadError("the payload has neither 'data' nor 'value'")
    return payload
