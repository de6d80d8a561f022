"""Nodes that look at pictures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeflow.nodes.vision.faces import FaceDetector
    from edgeflow.nodes.vision.privacy import BoxDrawer, FaceBlur

__all__ = ["BoxDrawer", "FaceBlur", "FaceDetector"]

_HOMES = {"FaceDetector": "faces", "FaceBlur": "privacy", "BoxDrawer": "privacy"}


def __getattr__(name: str) -> object:
    """Import a node when it is asked for, so that the package itself stays light."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
