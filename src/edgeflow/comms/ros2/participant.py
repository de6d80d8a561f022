"""One side of DDS: subscriptions and publications on topics of ROS 2.

All of it blocks, if only for a moment: it belongs into a thread. Nothing here is shared between
threads but ``Publication``.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeflow.comms.ros2.domains import DomainOptions, lease
from edgeflow.comms.ros2.names import check_topic, dds_topic, ros_type
from edgeflow.comms.ros2.qos import POLICIES, TopicQos
from edgeflow.comms.ros2.types import carrier
from edgeflow.errors import UnreachableError
from edgeflow.protocols.ros_messages import decode, encode, full_name

__all__ = ["Participant", "Publication", "Sample", "Subscription"]

MAX_ENDPOINTS = 1000
"""Publishers of others that are looked through when ours finds none."""

POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """One message that came.

    Attributes:
        message: full name of its type.
        cdr: its bytes.
        written: seconds since the Unix epoch at which it was published, by that machine's clock.
    """

    message: str
    cdr: bytes
    written: float

    def fields(self) -> dict[str, Any]:
        """Return what ``ros_messages.decode`` does; raise ProtocolError where it does."""
        return decode(self.message, self.cdr)


class Participant:
    """Takes part in a domain until it is closed.

    Raises:
        ConfigError, MissingExtraError, UnreachableError: as ``domains.lease``.
    """

    def __init__(self, options: DomainOptions | None = None) -> None:
        self.options = options or DomainOptions()
        self._lease = lease(self.options)
        try:
            self._entity = _made(_participant, self.options.domain)
            self._waitset = _made(_waitset, self._entity)
        except BaseException:
            self._lease.release()
            raise
        self._lease.narrow()
        self._subscriptions: list[Subscription] = []
        self._publications: list[Publication] = []
        self._others: Any = None

    def subscribe(self, topic: str, message: str, qos: TopicQos | None = None) -> "Subscription":
        """Begin to listen to a topic.

        Raises:
            ConfigError: there is no such message, or no such name.
            UnreachableError: DDS refuses.
        """
        made = Subscription(self, topic, full_name(message), qos or TopicQos())
        self._waitset.attach(made.condition)
        self._subscriptions.append(made)
        return made

    def publish(self, topic: str, message: str, qos: TopicQos | None = None) -> "Publication":
        """Announce a topic; raises as ``subscribe``."""
        made = Publication(self, topic, full_name(message), qos or TopicQos())
        self._publications.append(made)
        return made

    def wait(self, seconds: float) -> bool:
        """Wait until a subscription has messages; return whether one has."""
        return bool(_made(self._waitset.wait, int(seconds * 1e9)))

    def publishers(self, topic: str) -> set[str]:
        """Return the types of messages that anybody in the domain publishes under a name."""
        from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication

        if self._others is None:
            reader = _made(BuiltinDataReader, self._entity, BuiltinTopicDcpsPublication)
            self._others = (reader, _made(_alive, reader))
        wanted, (reader, alive) = dds_topic(topic), self._others
        found = _made(reader.read, MAX_ENDPOINTS, alive)
        return {
            ros_type(other.type_name)
            for other in found
            if getattr(other, "topic_name", None) == wanted
        }

    def close(self) -> None:
        """Leave the domain. Idempotent."""
        for subscription in self._subscriptions:
            self._waitset.detach(subscription.condition)
            subscription.drop()
        for publication in self._publications:
            publication.drop()
        self._subscriptions, self._publications = [], []
        self._others = self._waitset = self._entity = None
        self._lease.release()

    @property
    def entity(self) -> Any:
        """The participant of Cyclone DDS."""
        return self._entity


class Subscription:
    """Messages of one topic; ``depth`` of them wait, then the oldest is lost."""

    def __init__(self, owner: Participant, topic: str, message: str, qos: TopicQos) -> None:
        self.topic, self.message, self.qos = check_topic(topic), message, qos
        self._owner = owner
        self._reader = _made(_reader, owner.entity, self.topic, message, qos)
        self.condition = _made(_condition, self._reader)

    def take(self) -> list[Sample]:
        """Return the messages that wait, the oldest first."""
        found = _made(self._reader.take, self.qos.depth)
        return [
            Sample(self.message, sample.cdr, sample.sample_info.source_timestamp / 1e9)
            for sample in found
            if hasattr(sample, "cdr")
        ]

    @property
    def publishers(self) -> int:
        """How many publishers are heard."""
        return len(_made(self._reader.get_matched_publications))

    def trouble(self) -> str | None:
        """Return why no publisher is heard; None when one is."""
        if self.publishers:
            return None
        offered = self._owner.publishers(self.topic)
        if not offered:
            return f"nobody publishes {self.topic}"
        if self.message not in offered:
            return f"{self.topic} is published as {', '.join(sorted(offered))}, not {self.message}"
        status = _made(self._reader.get_requested_incompatible_qos_status)
        policy = POLICIES.get(status.last_policy_id, f"policy {status.last_policy_id}")
        return f"the publisher of {self.topic} offers another {policy}"

    def drop(self) -> None:
        """Stop listening."""
        self._reader = self.condition = None


class Publication:
    """Publishes on one topic; may be used by several threads."""

    def __init__(self, owner: Participant, topic: str, message: str, qos: TopicQos) -> None:
        self.topic, self.message = check_topic(topic), message
        self._lock = threading.Lock()
        self._kind = carrier(message)
        self._writer = _made(_writer, owner.entity, self.topic, message, qos)

    def send(self, fields: Mapping[str, Any]) -> int:
        """Publish a message; return its bytes.

        Raises:
            PayloadError: it has no such fields, or a value does not fit.
            UnreachableError: reliable subscribers do not keep up, or the participant was closed.
        """
        return self.send_cdr(encode(self.message, fields))

    def send_cdr(self, cdr: bytes) -> int:
        """Publish a message that is encoded already; raises as ``send``."""
        sample = self._kind.deserialize(cdr)
        with self._lock:
            if self._writer is None:
                raise UnreachableError(f"the publication on {self.topic} was closed")
            _made(self._writer.write, sample)
        return len(cdr)

    @property
    def subscribers(self) -> int:
        """How many subscribers are reached."""
        with self._lock:
            writer = self._writer
            return 0 if writer is None else len(_made(writer.get_matched_subscriptions))

    def wait_subscribed(self, seconds: float) -> bool:
        """Wait for a subscriber; return whether there is one."""
        until = time.monotonic() + seconds
        while not self.subscribers:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def drop(self) -> None:
        """Stop publishing."""
        with self._lock:
            self._writer = None


def _made(call: Any, *arguments: Any) -> Any:
    """Call Cyclone DDS, and turn its errors into ours."""
    from cyclonedds.core import DDSException

    try:
        return call(*arguments)
    except DDSException as error:
        raise UnreachableError(f"DDS: {error}") from None


def _participant(domain: int) -> Any:
    from cyclonedds.domain import DomainParticipant

    return DomainParticipant(domain)


def _waitset(participant: Any) -> Any:
    from cyclonedds.core import WaitSet

    return WaitSet(participant)


def _reader(participant: Any, topic: str, message: str, qos: TopicQos) -> Any:
    from cyclonedds.sub import DataReader

    return DataReader(participant, _topic(participant, topic, message), qos.policies(writing=False))


def _writer(participant: Any, topic: str, message: str, qos: TopicQos) -> Any:
    from cyclonedds.pub import DataWriter

    return DataWriter(participant, _topic(participant, topic, message), qos.policies(writing=True))


def _topic(participant: Any, topic: str, message: str) -> Any:
    from cyclonedds.topic import Topic

    return Topic(participant, dds_topic(topic), carrier(message))


def _alive(reader: Any) -> Any:
    from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState

    return ReadCondition(reader, ViewState.Any | InstanceState.Alive | SampleState.Any)


def _condition(reader: Any) -> Any:
    from cyclonedds.core import InstanceState, ReadCondition, SampleState, ViewState

    return ReadCondition(reader, ViewState.Any | InstanceState.Any | SampleState.Any)
