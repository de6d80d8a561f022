"""What a frame's meta says about its picture, drawn over a copy of it for viewers only.

Detections as in ``core.detections``. ``meta["zones"]``: dicts with ``name`` and ``polygon`` (points
x, y from 0 to 1); ``active`` colours one as occupied, and without it one is where a detection (of
its ``labels``, if it names some) stands with the middle of its lower edge. Whatever does not look
like that is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from edgeflow.core.detections import detections_of

__all__ = ["draw", "has_overlay"]

MAX_DRAWN = 200
"""Boxes and zones drawn at most; more would hide the picture."""
MAX_POINTS = 256
ZONE_COLOUR = (235, 190, 80)
ACTIVE_COLOUR = (60, 120, 255)
ZONE_INK = 0.22
INK = (16, 16, 16)
"""Share of the zone's colour inside it."""

# Blue, green, red; far enough apart to be told from each other on video.
PALETTE = (
    (80, 220, 80), (60, 170, 255), (255, 140, 90), (200, 90, 230),
    (90, 220, 230), (140, 120, 255), (230, 200, 60), (120, 200, 160),
)  # fmt: skip

Image = npt.NDArray[np.uint8]


def has_overlay(meta: Mapping[str, Any]) -> bool:
    """Tell whether there is anything to draw."""
    return bool(meta.get("detections") or meta.get("zones"))


def draw(image: Image, meta: Mapping[str, Any], scale: float = 1.0) -> None:
    """Draw zones, then boxes with labels, in place.

    Args:
        image: uint8 (height, width, 3), BGR, writable.
        meta: of the frame.
        scale: pixels of ``image`` per pixel of the frame.
    """
    thickness = max(1, round(max(image.shape[:2]) / 640))
    boxes = list(_boxes(meta, scale))
    for name, points, active, labels in _zones(meta.get("zones"), image):
        feet = [
            ((left + right) / 2, bottom)
            for label, _, (left, _, right, bottom) in boxes
            if not labels or label in labels
        ]
        occupied = _is_occupied(points, feet) if active is None else bool(active)
        _draw_zone(image, name, points, occupied, thickness)
    for label, confidence, box in boxes:
        _draw_box(image, label, confidence, box, thickness)


def _is_occupied(points: npt.NDArray[np.int32], feet: Sequence[tuple[float, float]]) -> bool:
    import cv2

    return any(cv2.pointPolygonTest(points, foot, False) >= 0 for foot in feet)


def _zones(zones: Any, image: Image) -> Iterator[tuple[str, npt.NDArray[np.int32], Any, list[Any]]]:
    height, width = image.shape[:2]
    for zone in _dicts(zones):
        try:
            points = np.array(zone["polygon"], float).reshape(-1, 2)
        except (KeyError, TypeError, ValueError):
            continue
        if 3 <= len(points) <= MAX_POINTS and np.isfinite(points).all():
            pixels = (points.clip(0, 1) * (width - 1, height - 1)).round().astype(np.int32)
            labels = zone.get("labels")
            watched = labels if isinstance(labels, list) else []
            yield str(zone.get("name", "")), pixels, zone.get("active"), watched


def _boxes(
    meta: Mapping[str, Any], scale: float
) -> Iterator[tuple[str, float, tuple[int, int, int, int]]]:
    for label, confidence, box in detections_of(meta, MAX_DRAWN):
        left, top, right, bottom = (round(corner * scale) for corner in box)
        yield label, confidence, (left, top, right, bottom)


def _dicts(values: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(values, list | tuple):
        yield from (value for value in values[:MAX_DRAWN] if isinstance(value, Mapping))


def _draw_zone(
    image: Image, name: str, points: npt.NDArray[np.int32], active: bool, thickness: int
) -> None:
    import cv2

    colour = ACTIVE_COLOUR if active else ZONE_COLOUR
    left, top, width, height = cv2.boundingRect(points)
    inside = image[top : top + height, left : left + width]
    tinted = inside.copy()
    cv2.fillPoly(tinted, [points - (left, top)], colour)
    cv2.addWeighted(tinted, ZONE_INK, inside, 1 - ZONE_INK, 0, dst=inside)
    cv2.polylines(image, [points], True, colour, thickness, cv2.LINE_AA)
    if name:
        x, y = points.mean(axis=0).round().astype(int)
        _write(image, name, (int(x), int(y)), colour, centred=True)


def _draw_box(
    image: Image, label: str, confidence: float, box: tuple[int, int, int, int], thickness: int
) -> None:
    import cv2

    colour = PALETTE[crc32(label.encode()) % len(PALETTE)]
    left, top, right, bottom = box
    cv2.rectangle(image, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)
    text = f"{label} {confidence:.2f}" if label else f"{confidence:.2f}"
    _write(image, text, (left, top), colour)


def _write(
    image: Image,
    text: str,
    at: tuple[int, int],
    colour: tuple[int, int, int],
    *,
    centred: bool = False,
) -> None:
    """Write dark on a tag of the colour: around ``at``, or above it, and always in the picture."""
    import cv2

    height, width = image.shape[:2]
    scale = max(0.32, max(height, width) / 2000)
    shown = text[:60].encode("ascii", "replace").decode()
    font = cv2.FONT_HERSHEY_SIMPLEX
    (wide, high), below = cv2.getTextSize(shown, font, scale, 1)
    pad = max(1, high // 3)
    tag_width, tag_height = wide + 2 * pad, high + below // 2 + 2 * pad
    x = at[0] - tag_width // 2 if centred else at[0]
    y = at[1] - tag_height // 2 if centred else at[1] - tag_height
    x, y = max(0, min(x, width - tag_width)), max(0, min(y, height - tag_height))
    cv2.rectangle(image, (x, y), (x + tag_width - 1, y + tag_height - 1), colour, cv2.FILLED)
    cv2.putText(image, shown, (x + pad, y + pad + high), font, scale, INK, 1, cv2.LINE_AA)
