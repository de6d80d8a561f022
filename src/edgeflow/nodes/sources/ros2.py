"""Topics of ROS 2 as a source."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Literal

from edgeflow.comms.ros2.domains import DomainOptions
from edgeflow.comms.ros2.images import array_of, compressed_format
from edgeflow.comms.ros2.participant import Participant, Sample
from edgeflow.comms.ros2.payloads import plain, stamp_seconds
from edgeflow.comms.ros2.qos import TopicQos
from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.nodes.producer import ProducerNode

__all__ = ["Ros2Producer"]

WAIT_SECONDS = 0.1
"""How long one call of ``produce`` waits for a message."""


class Ros2Producer(ProducerNode):
    """Reads one topic.

    A ``sensor_msgs/Image`` becomes an array as ``comms.ros2.images.array_of`` says, a
    ``sensor_msgs/CompressedImage`` the bytes of its JPEG or PNG, any other message a dict of its
    fields. The time is that of the message's header, else that of its sending.

    Attributes:
        topic: name of the topic, such as ``/camera/image_raw``.
        message: its type.
        domain: the other side's ``ROS_DOMAIN_ID``.
        interface: name or address of the network interface; loopback reaches this machine only.
        peers: hosts to look for instead of using multicast.
        reliability: ``best_effort`` hears every publisher; ``reliable`` only reliable ones, and
            asks again for what was lost.
        depth: messages that wait; then the oldest is lost.
        refused: messages that made no sense.
    """

    fps: float | None = None
    topic: str = ""
    message: str = "sensor_msgs/Image"
    domain: int = 0
    interface: str = "lo"
    peers: Sequence[str] = ()
    reliability: Literal["reliable", "best_effort"] = "best_effort"
    depth: int = 4

    refused: int = 0
    _participant: Any = None
    _subscription: Any = None
    _reason: str | None = None

    def configure(self) -> None:
        """Subscribe.

        Raises:
            ConfigError: there is no such topic or message.
            MissingExtraError: the package ``cyclonedds`` is not installed.
            UnreachableError: the interface is not there.
        """
        if not self.topic:
            raise ConfigError(f"node {self.name!r} needs a topic", hint='topic="/camera/image_raw"')
        self._arrived: deque[Sample] = deque()
        options = DomainOptions(self.domain, self.interface, tuple(self.peers))
        self._participant = Participant(options)
        qos = TopicQos(self.reliability, depth=self.depth)
        self._subscription = self._participant.subscribe(self.topic, self.message, qos)

    def produce(self) -> Any:
        """Return the next message, or None when none came."""
        if not self._arrived:
            if not self._participant.wait(WAIT_SECONDS):
                self._tell(self._subscription.trouble())
                return None
            self.received_ns = time.monotonic_ns()
            self._arrived.extend(self._subscription.take())
        if not self._arrived:
            return None
        try:
            return _frame(self._arrived.popleft())
        except ProtocolError as error:
            self.refused += 1
            tell = self.log.warning if self.refused == 1 else self.log.debug
            tell("message_refused", topic=self.topic, error=str(error))
            return None

    def teardown(self) -> None:
        """Leave the domain."""
        participant, self._participant = self._participant, None
        self._subscription = None
        if participant is not None:
            participant.close()

    def _tell(self, reason: str | None) -> None:
        if reason != self._reason and reason is not None:
            self.log.warning("publisher_missing", error=reason)
        self._reason = reason


def _frame(sample: Sample) -> Frame:
    fields = sample.fields()
    header = fields.pop("header", None) or {}
    stated = stamp_seconds(header)
    meta = {"message": sample.message} | ({"frame_id": header["frame_id"]} if header else {})
    return Frame(
        data=_payload(sample.message, fields), timestamp=stated or sample.written, meta=meta
    )


def _payload(message: str, fields: dict[str, Any]) -> Any:
    if message == "sensor_msgs/msg/Image":
        return array_of(fields)
    if message == "sensor_msgs/msg/CompressedImage":
        compressed_format(fields)
        return bytes(fields["data"])
    return plain(fields)
