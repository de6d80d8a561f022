"""What a learning service tells about itself."""

from dataclasses import dataclass

import msgspec

from edgeflow.climate.learning.confidence import Reliability
from edgeflow.climate.learning.curve import CurvePoint
from edgeflow.climate.learning.learner import Comparison
from edgeflow.climate.learning.shadow import Standing

__all__ = ["LearningStatus", "ServiceStats"]


@dataclass(slots=True)
class ServiceStats:
    """Counts since the start; milliseconds of the last decision."""

    decided: int = 0
    refused: int = 0
    labels: int = 0
    doubted: int = 0
    recovered: int = 0
    candidates: int = 0
    promotions: int = 0
    dropped: int = 0
    decision_ms: float = 0.0
    last_comparison: Comparison | None = None


class LearningStatus(msgspec.Struct, kw_only=True):
    """How learning stands.

    Attributes:
        version, created, error: of the model in use; points on held-out labels.
        labels, waiting: what people said, and what waits to be confirmed.
        stats: counts. shadow: the candidate under trial, if there is one.
        reliability: what was promised and kept, of the last decisions whose outcome is known.
        curve: hours, oldest first. drift: stability index by feature.
    """

    version: str
    created: float
    error: float
    labels: int
    waiting: int
    stats: ServiceStats
    shadow: Standing | None
    reliability: Reliability
    curve: list[CurvePoint]
    drift: dict[str, float]
