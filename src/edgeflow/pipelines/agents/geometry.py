"""Plane geometry of zones: points and boxes against polygons."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

__all__ = ["Anchor", "Box", "Point", "anchor_of", "contains", "overlap", "touches"]

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


def overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union, 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


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
