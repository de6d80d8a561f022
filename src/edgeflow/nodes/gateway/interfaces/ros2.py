"""Frames of a gateway node as topics of ROS 2, without a ROS installation."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog

from edgeflow.comms.ros2.domains import DomainOptions
from edgeflow.comms.ros2.images import compressed_fields, image_fields
from edgeflow.comms.ros2.names import check_topic, name_part
from edgeflow.comms.ros2.participant import Participant, Publication
from edgeflow.comms.ros2.payloads import detection_fields, header_of
from edgeflow.comms.ros2.qos import TopicQos
from edgeflow.core.detections import detections_of
from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError, EdgeFlowError, PayloadError
from edgeflow.nodes.gateway.interfaces.base import GatewayContext, Interface

__all__ = ["Ros2Interface"]

log = structlog.get_logger(__name__)

MAX_CHANNELS = 64
"""Channels that are published, at most."""

MAX_DETECTIONS = 1000
STOP_SECONDS = 1.0
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
DETECTIONS, TEXT = "vision_msgs/msg/Detection2DArray", "std_msgs/msg/String"


class _Outgoing(NamedTuple):
    """What a frame becomes on one topic."""

    part: str
    message: str
    fields: dict[str, Any]


class Ros2Interface(Interface):
    """Publishes each channel under ``/PREFIX/CHANNEL``.

    ``image`` is a ``sensor_msgs/Image`` of an array, ``image/compressed`` a
    ``sensor_msgs/CompressedImage`` of a JPEG or PNG, ``detections`` a
    ``vision_msgs/Detection2DArray`` of what the frame's meta lists, and ``data`` a
    ``std_msgs/String`` of text or JSON. Stamps are the frames' capture times. Of each channel the
    newest frame is sent; one that comes while another waits takes its place, and is counted in
    ``skipped``. What nobody subscribes to is not encoded.

    Args:
        prefix: first part of all topics; the app's name if not given.
        domain: the other side's ``ROS_DOMAIN_ID``.
        interface: name or address of the network interface; loopback reaches this machine only.
        peers: hosts to look for instead of using multicast.
        frame_id: of the headers; the channel's name if not given.
        qos: how messages travel; a reliable publisher is heard by every subscriber.
    """

    def __init__(
        self,
        prefix: str | None = None,
        *,
        domain: int = 0,
        interface: str = "lo",
        peers: Sequence[str] = (),
        frame_id: str | None = None,
        qos: TopicQos | None = None,
    ) -> None:
        self.prefix = prefix
        self.skipped = 0
        self.refused = 0
        self._domain = DomainOptions(domain, interface, tuple(peers))
        self._frame_id = frame_id
        self._qos = qos or TopicQos(depth=1)
        self._publications: dict[str, Publication] = {}
        self._channels: dict[str, str] = {}
        self._waiting: dict[str, Frame] = {}
        self._awake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def open(self, context: GatewayContext) -> None:
        """Take part in the domain, and begin to publish.

        Raises:
            ConfigError: the prefix is no name, or two channels would share one.
            MissingExtraError: the package ``cyclonedds`` is not installed.
            UnreachableError: the interface is not there.
        """
        given = self.prefix if self.prefix is not None else name_part(context.app)
        self._base = check_topic(given) if given.strip("/") else ""
        for channel in context.channels:
            self._base_of(channel)
        work = (Participant(self._domain),)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, args=work, name="ros2-interface")
        self._thread.start()

    def on_frame(self, frame: Frame) -> None:
        """Leave a frame for the thread that publishes."""
        with self._awake:
            if frame.topic in self._waiting:
                self.skipped += 1
            elif len(self._waiting) >= MAX_CHANNELS:
                self.refused += 1
                return
            self._waiting[frame.topic] = frame
            self._awake.notify()

    def close(self) -> None:
        """Leave the domain."""
        with self._awake:
            self._stopping = True
            self._awake.notify()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def _run(self, participant: Participant) -> None:
        try:
            while (frame := self._next()) is not None:
                self._publish(participant, frame)
        finally:
            participant.close()
            self._publications = {}

    def _next(self) -> Frame | None:
        with self._awake:
            self._awake.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            return self._waiting.pop(next(iter(self._waiting)))

    def _publish(self, participant: Participant, frame: Frame) -> None:
        try:
            base = self._base_of(frame.topic)
            header = header_of(frame.timestamp, self._frame_id or frame.topic)
            for part, message, fields in _outgoing(frame, header):
                publication = self._publication(participant, f"{base}/{part}", message)
                if publication.subscribers:
                    publication.send(fields)
        except EdgeFlowError as error:
            self.refused += 1
            tell = log.warning if self.refused == 1 else log.debug
            tell("frame_not_published", channel=frame.topic, error=str(error))

    def _base_of(self, channel: str) -> str:
        known = self._channels.get(channel)
        if known is not None:
            return known
        if len(self._channels) >= MAX_CHANNELS:
            raise ConfigError(f"more than {MAX_CHANNELS} channels are not published")
        base = f"{self._base}/{name_part(channel)}"
        other = next((one for one, taken in self._channels.items() if taken == base), None)
        if other is not None:
            raise ConfigError(
                f"channels {other!r} and {channel!r} would both be {base} in ROS 2",
                hint="give one of the two nodes another name",
            )
        self._channels[channel] = base
        return base

    def _publication(self, participant: Participant, topic: str, message: str) -> Publication:
        found = self._publications.get(topic)
        if found is None:
            found = participant.publish(topic, message, self._qos)
            self._publications[topic] = found
            log.info("topic_announced", topic=topic, message=message)
        return found


def _outgoing(frame: Frame, header: dict[str, Any]) -> Iterator[_Outgoing]:
    data = frame.data
    if isinstance(data, np.ndarray):
        yield _Outgoing("image", IMAGE, image_fields(data, header))
    elif isinstance(data, bytes | bytearray | memoryview):
        if not bytes(data[:4]).startswith((b"\xff\xd8\xff", b"\x89PNG")):
            raise PayloadError(f"{len(data)} bytes on {frame.topic} are neither JPEG nor PNG")
        yield _Outgoing("image/compressed", COMPRESSED, compressed_fields(bytes(data), header))
    else:
        text = data if isinstance(data, str) else _json(frame)
        yield _Outgoing("data", TEXT, {"data": text})
    if "detections" in frame.meta:
        found = detections_of(frame.meta, MAX_DETECTIONS)
        listed = [detection_fields(each, header) for each in found]
        yield _Outgoing("detections", DETECTIONS, {"header": header, "detections": listed})


def _json(frame: Frame) -> str:
    try:
        return json.dumps(frame.data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PayloadError(f"the payload on {frame.topic} is not JSON: {error}") from None
