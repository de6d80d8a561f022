"""Sources of frames."""

from typing import TYPE_CHECKING, Any, ClassVar

from edgeflow.core.graph import Role
from edgeflow.nodes.base import Node

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ProducerNode"]


class ProducerNode(Node):
    """Makes frames: reads a camera, a sensor, a file.

    Attributes:
        fps: calls of ``produce`` per second, without drift; None for as fast as the links accept.
        received_ns: monotonic time at which what ``produce`` returns came in; set it there when
            waiting for input is not to count as time spent on the frame.
    """

    role: ClassVar[Role] = Role.PRODUCER
    fps: float | None = 30
    received_ns: int | None = None

    def produce(self) -> Any:
        """Return an ndarray, bytes, str, dict, ``(data, meta)`` or ``Frame``; None for nothing."""
        raise NotImplementedError(f"{type(self).__name__} must implement produce()")

    @property
    def next_id(self) -> int:
        """Id of the next frame. After a restart it goes on where the broker remembers the topic."""
        return self._host.next_id if self._host is not None else 0

    def allocate(self, shape: tuple[int, ...], dtype: Any = "uint8") -> "np.ndarray[Any, Any]":
        """Return an uninitialised array in the link's own memory where there is such a thing.

        Fill it and return it from ``produce``: it then travels without a copy and must not be
        written again.
        """
        import numpy as np

        if self._host is None:
            return np.empty(shape, dtype)
        return self._host.allocate(shape, dtype)
