"""Keys that the ROS 2 connector and the ROS 2 action have in common."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edgeflow.comms.ros2.domains import DomainOptions
from edgeflow.comms.ros2.names import check_topic
from edgeflow.comms.ros2.qos import TopicQos
from edgeflow.errors import ConfigError
from edgeflow.protocols.ros_messages import full_name

__all__ = ["DomainKeys", "MessageName", "TopicName"]


def _topic(name: str) -> str:
    try:
        return check_topic(name)
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _message(name: str) -> str:
    try:
        return full_name(name)
    except ConfigError as error:
        raise ValueError(str(error)) from None


TopicName = Annotated[str, AfterValidator(_topic)]
MessageName = Annotated[str, AfterValidator(_message)]


class DomainKeys(BaseModel):
    """Which part of ROS 2, and how messages travel there.

    Attributes:
        domain: the other side's ``ROS_DOMAIN_ID``.
        interface: name or address of the network interface; loopback reaches this machine only.
        peers: hosts to look for instead of using multicast.
        durability: ``transient_local``: publishers keep messages for those that come late.
        depth: messages that are kept for one that is slow, or late.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: int = Field(0, ge=0, le=232)
    interface: str = Field("lo", min_length=1, max_length=64)
    peers: list[str] = Field([], max_length=64)
    durability: Literal["volatile", "transient_local"] = "volatile"
    depth: int = Field(10, ge=1, le=10_000)

    def domain_options(self) -> DomainOptions:
        """Return where the domain is."""
        return DomainOptions(self.domain, self.interface, tuple(self.peers))

    def topic_qos(self, reliability: Literal["reliable", "best_effort"]) -> TopicQos:
        """Return how messages travel."""
        return TopicQos(reliability, self.durability, self.depth)
