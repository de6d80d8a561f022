"""Ends of the graph that keep what arrives."""

from typing import ClassVar

from edgeflow.core.frame import Frame
from edgeflow.core.graph import Role
from edgeflow.nodes.base import Node

__all__ = ["SinkNode"]


class SinkNode(Node):
    """Stores, sends away or shows frames."""

    role: ClassVar[Role] = Role.SINK

    def write(self, frame: Frame) -> None:
        """Take a frame."""
        raise NotImplementedError(f"{type(self).__name__} must implement write()")
