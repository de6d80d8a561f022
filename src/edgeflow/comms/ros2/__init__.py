"""Topics of ROS 2 over DDS, without a ROS installation: the package ``cyclonedds`` is enough."""

from importlib import import_module
from typing import Any

_HOMES = {
    "DomainOptions": "domains",
    "Participant": "participant",
    "Publication": "participant",
    "Sample": "participant",
    "Subscription": "participant",
    "TopicQos": "qos",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"edgeflow.comms.ros2.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'edgeflow.comms.ros2' has no attribute {name!r}")
