"""Joins streams by capture time."""

from collections.abc import Sequence
from typing import Any, ClassVar

from edgeflow.core.frame import Frame
from edgeflow.core.graph import Role
from edgeflow.nodes.base import Node

__all__ = ["FusionNode"]


class FusionNode(Node):
    """Processes sets of frames, one per input, captured at about the same time.

    Attributes:
        slop: largest difference of capture times within a set, in seconds.
        patience: how long a frame waits for partners, in seconds; then it counts as unmatched.
        partial_after: when an input has been silent for this many seconds, sets go on without it
            and hold None in its place; None to wait for all inputs always.
    """

    role: ClassVar[Role] = Role.FUSION
    slop: float = 0.1
    patience: float = 1.0
    partial_after: float | None = None

    def process(self, frames: Sequence[Frame]) -> Any:
        """Take one set, in the order of the inputs.

        Returns:
            As ``ConsumerNode.process``. The result takes id, capture time and meta of the first
            frame of the set.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement process()")
