"""The learning curve: how often and how far decisions were corrected, as time goes by."""

import math
from collections import deque

import msgspec

__all__ = ["CurvePoint", "LearningCurve"]

POINT_SECONDS = 3600.0
MAX_POINTS = 24 * 31


class CurvePoint(msgspec.Struct):
    """What happened from a time on, for ``POINT_SECONDS``.

    Attributes:
        time: seconds since the Unix epoch. decisions, corrected, accepted: counts.
        points: sum of the distances between what was decided and what people put in its place.
        confidence: sum of the decisions'. version: that decided last.
    """

    time: float
    decisions: int = 0
    corrected: int = 0
    accepted: int = 0
    points: float = 0.0
    confidence: float = 0.0
    version: str = ""

    @property
    def error(self) -> float:
        """Mean distance in points, of what was corrected or left alone; 0 before either."""
        return self.points / max(1, self.corrected + self.accepted)


class LearningCurve:
    """The last 31 days of hours."""

    def __init__(self, seconds: float = POINT_SECONDS) -> None:
        self._seconds = seconds
        self._points: deque[CurvePoint] = deque(maxlen=MAX_POINTS)

    def decided(self, now: float, confidence: float, version: str) -> None:
        """Note a decision."""
        point = self._at(now)
        point.decisions += 1
        point.confidence += confidence
        point.version = version

    def corrected(self, now: float, distance: float) -> None:
        """Somebody moved a window by so many points."""
        point = self._at(now)
        point.corrected += 1
        point.points += distance

    def accepted(self, now: float) -> None:
        """Nobody changed a decision."""
        self._at(now).accepted += 1

    def points(self) -> list[CurvePoint]:
        """All of them, oldest first."""
        return list(self._points)

    def _at(self, now: float) -> CurvePoint:
        begins = math.floor(now / self._seconds) * self._seconds
        if not self._points or self._points[-1].time < begins:
            self._points.append(CurvePoint(begins))
        return self._points[-1]
