"""Steps that turn frames into frames."""

from typing import Any, ClassVar

from edgeflow.core.graph import Role
from edgeflow.nodes.base import Node

__all__ = ["ConsumerNode"]


class ConsumerNode(Node):
    """Processes frames one by one."""

    role: ClassVar[Role] = Role.CONSUMER

    def process(self, data: Any) -> Any:
        """Take the payload of a frame (the frame itself is ``self.frame``).

        Returns:
            None to send nothing, data, ``(data, meta)``, a ``Frame``, or a list or generator of
            these. The frame's id, capture time and meta are kept; ``meta`` is added to it.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement process()")
