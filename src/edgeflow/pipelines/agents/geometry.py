"""Plane geometry of zones: points and boxes against polygons."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from edgeflow.inference.requests import Array

__all__ = ["Anchor", "Box", "Point", "anchor_of", "contains", "overlaps", "touches"]

Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]
Anchor: TypeAlias = Literal["bottom_centre", "centre", "any"]


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """True when ``point`` lies in ``polygon`` or on its border.

    Where the polygon crosses itself, what it encloses twice is outside (even-odd rule).
    """
    x, y = point
    inside = False
    for start, end in _edges(polygon):
        if _on(point, start, end):
            return True
        (x1, y1), (x2, y2) = start, end
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def touches(polygon: Sequence[Point], box: Box) -> bool:
    """True when any part of ``box`` lies in ``polygon``."""
    x1, y1, x2, y2 = box
    frame = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    if any(contains(polygon, corner) for corner in frame):
        return True
    if any(x1 <= x <= x2 and y1 <= y <= y2 for x, y in polygon):
        return True
    return any(_cross(*edge, *side) for edge in _edges(polygon) for side in _edges(frame))


def anchor_of(box: Box, anchor: Anchor) -> Point:
    """Return the point that stands for ``box``: where it stands, or its middle."""
    x1, y1, x2, y2 = box
    return ((x1 + x2) / 2, y2 if anchor == "bottom_centre" else (y1 + y2) / 2)


def overlaps(ones: Sequence[Box], others: Sequence[Box]) -> Array:
    """Return the intersection over the union, 0 to 1, of each of ``ones`` with each of ``others``.

    Returns:
        float64 (len(ones), len(others)).
    """
    one = np.array(ones, float).reshape(-1, 1, 4)
    other = np.array(others, float).reshape(1, -1, 4)
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    whole = _areas(one) + _areas(other) - shared
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0))


def _areas(boxes: Array) -> Array:
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(axis=-1))


def _edges(polygon: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))


def _turn(a: Point, b: Point, c: Point) -> float:
    """Return more than 0 when the way from ``a`` over ``b`` to ``c`` turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _on(point: Point, start: Point, end: Point) -> bool:
    x, y = point
    between_x = min(start[0], end[0]) <= x <= max(start[0], end[0])
    between_y = min(start[1], end[1]) <= y <= max(start[1], end[1])
    return between_x and between_y and abs(_turn(start, end, point)) < 1e-12


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0
