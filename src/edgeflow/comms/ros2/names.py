"""Names of ROS 2 as DDS sees them.

Source: design.ros2.org, "Topic and Service name mapping to DDS".
"""

import re

from edgeflow.errors import ConfigError

__all__ = ["check_topic", "dds_topic", "dds_type", "name_part", "ros_type"]

TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
LONGEST = 255


def check_topic(name: str) -> str:
    """Return the absolute name of a topic: ``/camera/image`` for that or for ``camera/image``.

    Raises:
        ConfigError: ROS 2 has no such names.
    """
    absolute = name if name.startswith("/") else f"/{name}"
    if len(absolute) > LONGEST or not TOPIC.fullmatch(absolute) or "__" in absolute:
        raise ConfigError(
            f"{name!r} is no name of a ROS 2 topic",
            hint="letters, digits and single underscores between slashes; no part begins with "
            "a digit",
        )
    return absolute


def name_part(text: str) -> str:
    """Return a part of a topic's name for any text: ``front_door`` for ``front-door``."""
    part = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "unnamed"
    return f"n{part}" if part[0].isdigit() else part


def dds_topic(name: str) -> str:
    """Return ``rt/camera/image`` for ``/camera/image``."""
    return "rt" + check_topic(name)


def dds_type(name: str) -> str:
    """Return ``std_msgs::msg::dds_::String_`` for ``std_msgs/msg/String``."""
    package, kind, message = name.split("/")
    return f"{package}::{kind}::dds_::{message}_"


def ros_type(name: str) -> str:
    """Return ``std_msgs/msg/String`` for its name in DDS; other names stay as they are."""
    parts = name.split("::")
    if len(parts) == 4 and parts[2] == "dds_" and parts[3].endswith("_"):
        return f"{parts[0]}/{parts[1]}/{parts[3][:-1]}"
    return name
