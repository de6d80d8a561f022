"""Fields of messages of ROS 2 as EdgeFlow's own kinds of data, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeflow.core.detections import Detection

__all__ = ["detection_fields", "header_of", "plain", "stamp_seconds"]


def header_of(seconds: float, frame_id: str) -> dict[str, Any]:
    """Return the fields of a ``std_msgs/Header``.

    Args:
        seconds: since the Unix epoch.
        frame_id: frame of reference.
    """
    whole = int(seconds)
    more, nanoseconds = divmod(round((seconds - whole) * 1e9), 1_000_000_000)
    return {"stamp": {"sec": whole + more, "nanosec": nanoseconds}, "frame_id": frame_id}


def stamp_seconds(header: Mapping[str, Any]) -> float | None:
    """Return a header's time in seconds since the Unix epoch; None when there is none."""
    stamp = header.get("stamp")
    return stamp["sec"] + stamp["nanosec"] * 1e-9 if stamp else None


def plain(value: Any) -> Any:
    """Return fields with lists in place of arrays; ``uint8[]`` as bytes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, memoryview):
        return bytes(value)
    return value.tolist() if isinstance(value, np.ndarray) else value


def detection_fields(found: Detection, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a ``vision_msgs/Detection2D``; its box is in pixels."""
    left, top, right, bottom = found.box
    centre = {"x": (left + right) / 2, "y": (top + bottom) / 2}
    return {
        "header": header,
        "results": [{"hypothesis": {"class_id": found.label, "score": found.confidence}}],
        "bbox": {
            "center": {"position": centre, "theta": 0.0},
            "size_x": right - left,
            "size_y": bottom - top,
        },
    }
