"""What a gateway interface is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from edgeflow.core.frame import Frame
from edgeflow.core.ports import FlowView, FrameSource

__all__ = ["GatewayContext", "Interface"]


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What the runtime gives to the interfaces of a gateway node.

    Attributes:
        app: name of the app.
        node: name of the gateway node.
        channels: names under which frames will arrive (``frame.topic``), as far as links tell.
        view: the running flow.
        frames: access to the frames of every topic.
    """

    app: str
    node: str
    channels: tuple[str, ...]
    view: FlowView
    frames: FrameSource


class Interface(ABC):
    """One protocol of a gateway node. Constructing one opens nothing.

    Attributes:
        takes_jpeg: pictures of a link with a JPEG codec may come as they are, as bytes whose meta
            has the ``content_type`` ``image/jpeg``. They do when all interfaces of a node say so.
    """

    takes_jpeg: ClassVar[bool] = False

    @abstractmethod
    def open(self, context: GatewayContext) -> None:
        """Start serving and return.

        Raises:
            EdgeFlowError: it cannot (a port is taken, a setting is wrong).
        """

    @abstractmethod
    def on_frame(self, frame: Frame) -> None:
        """Take a frame. Called from the node's thread for each frame; must not block."""

    @abstractmethod
    def close(self) -> None:
        """Stop serving, within a second, also with clients attached. Idempotent."""
