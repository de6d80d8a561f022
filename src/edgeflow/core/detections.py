"""What nodes find in pictures, in the form that all of EdgeFlow writes and reads.

``meta["detections"]``: dicts with ``label``, ``confidence`` and ``bbox`` (x1, y1, x2, y2 in pixels
of the frame).
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Detection", "detections_of"]

FARTHEST = 1e6
"""Pixels from the corner of the picture beyond which a corner of a box makes no sense."""


class Detection(NamedTuple):
    """A thing in a picture.

    Attributes:
        label: what it is.
        confidence: 0 to 1.
        box: left, top, right, bottom in pixels.
    """

    label: str
    confidence: float
    box: tuple[float, float, float, float]


def detections_of(meta: Mapping[str, Any], most: int) -> Iterator[Detection]:
    """Yield the first ``most`` detections in a frame's meta; what is none is left out."""
    found = meta.get("detections")
    if not isinstance(found, list | tuple):
        return
    for each in found[:most]:
        if not isinstance(each, Mapping):
            continue
        try:
            corners = [float(value) for value in each["bbox"]]
            confidence = float(each.get("confidence", 1.0))
        except (KeyError, TypeError, ValueError):
            continue
        if len(corners) == 4 and all(math.isfinite(c) and abs(c) < FARTHEST for c in corners):
            left, top, right, bottom = corners
            yield Detection(str(each.get("label", "")), confidence, (left, top, right, bottom))
