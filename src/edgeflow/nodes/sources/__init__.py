"""Ready producers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeflow.nodes.sources.camera import CameraProducer
    from edgeflow.nodes.sources.replay import ReplayProducer
    from edgeflow.nodes.sources.ros2 import Ros2Producer
    from edgeflow.nodes.sources.video import VideoFileProducer

__all__ = ["CameraProducer", "ReplayProducer", "Ros2Producer", "VideoFileProducer"]

_HOMES = {
    "CameraProducer": "camera",
    "ReplayProducer": "replay",
    "Ros2Producer": "ros2",
    "VideoFileProducer": "video",
}


def __getattr__(name: str) -> object:
    """Import a node when it is asked for, so that the package itself stays light."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
