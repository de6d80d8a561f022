"""What all nodes share: options, hooks and the few things a node may ask of its runtime."""

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import structlog

from edgeflow.config import settings
from edgeflow.core.graph import Role
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from edgeflow.core.frame import Frame

__all__ = ["Node", "NodeHost"]


class NodeHost(Protocol):
    """What a running node can ask of the runtime that runs it."""

    def stop(self) -> None:
        """End the node after the call in progress."""
        ...

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the node's end."""
        ...

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> "np.ndarray[Any, Any]":
        """Return a writable array in the memory of the node's output link."""
        ...

    @property
    def next_id(self) -> int:
        """Id that the next produced frame will have."""
        ...


class Node:
    """Base of all nodes. Keywords of the declaration become attributes.

    Hooks: ``configure()`` runs once in the process that runs the node, before the first frame;
    ``teardown()`` runs when it ends or before it is restarted.

    Attributes:
        name: name in the graph.
        device: label of the hardware it wants, or None.
        replica: number of this instance, 0 for the first.
        hostname: name of this host.
        input_topics: topics to receive beside those of the links; set it in ``configure``.
        output_topic: topic to publish on beside the node's own; set it in ``configure``.
        qos: policy of ``input_topics``.
        queue_size: bound of ``input_topics``, and the default of links into this node.
        frame: the frame being processed (id, timestamp, topic, meta), None in between.
        log: structured logger bound to the node's name.
    """

    role: ClassVar[Role]

    name: str = ""
    device: str | None = None
    replica: int = 0
    output_topic: str | None = None
    qos: QoS = QoS.REALTIME
    queue_size: int | None = None
    frame: "Frame | None" = None

    def __init__(self, **options: Any) -> None:
        self.input_topics: list[str] = []
        self.hostname = settings.HOSTNAME
        self.log: Any = structlog.get_logger("edgeflow.node")
        self._host: NodeHost | None = None
        for option, value in options.items():
            if callable(getattr(type(self), option, None)) or option.startswith("_"):
                raise ConfigError(
                    f"option {option!r} of {type(self).__name__} would hide a method",
                    hint="choose another keyword",
                )
            setattr(self, option, value)

    def configure(self) -> None:
        """Prepare: open devices, load models, set topics. Called in the node's own process."""

    def teardown(self) -> None:
        """Release what ``configure`` took."""

    def stop(self) -> None:
        """End this node after the call in progress."""
        if self._host is not None:
            self._host.stop()

    def attach(self, host: NodeHost | None) -> None:
        """Connect the node with the runtime that runs it (called by the runtime)."""
        self._host = host
