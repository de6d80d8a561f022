"""Confidence that means something: how often a position that sure is within ten points of right."""

from dataclasses import dataclass

import msgspec
import numpy as np

from edgeflow.climate.learning.examples import SPANS, Floats

__all__ = ["TOLERANCE", "Calibration", "Reliability", "calibrate", "doubt_of", "reliability"]

TOLERANCE = 10.0
"""Points of position within which a decision is right."""
NOVELTY_WEIGHT = 25.0
"""Points of spread that a whole span away from what is known is worth."""
NEAR = 3
LEAST_PER_LEVEL = 20
PRIOR_ANSWERS = 20.0
"""Answers that what was believed before is worth."""


class Calibration(msgspec.Struct, frozen=True):
    """Levels of doubt, and how often positions of that doubt were right. Both by rising doubt.

    Doubt is what ``doubt_of`` returns.
    """

    doubts: list[float] = []
    shares: list[float] = []

    def confidence(self, doubt: Floats) -> Floats:
        """How likely each position is within ``TOLERANCE``; half where nothing is known yet."""
        if not self.doubts:
            return np.full(len(doubt), 0.5)
        beyond = self.doubts[-1]
        share = np.interp(doubt, self.doubts, self.shares)
        # Doubt that was never seen: what was right there halves with every doubling.
        fading = np.where(doubt > beyond, beyond / np.maximum(doubt, 1e-9), 1.0)
        return np.clip(share * fading, 0.0, 1.0)

    def mixed(self, other: "Calibration", count: int) -> "Calibration":
        """This one shrunk to another, the less the more answers it was learnt from."""
        share = count / (count + PRIOR_ANSWERS)
        doubts = np.union1d(self.doubts, other.doubts)
        own, others = self.confidence(doubts), other.confidence(doubts)
        return Calibration(doubts.tolist(), (share * own + (1.0 - share) * others).tolist())


def doubt_of(spread: Floats, features: Floats, situations: Floats) -> Floats:
    """How doubtful positions are, in points: (n,).

    Args:
        spread: the members' deviation, (n,).
        features: (n, 3) for which they spoke.
        situations: (m, 3), what was learnt from; what is far from these is doubtful, too.
    """
    if len(situations) < NEAR or not len(features):
        return spread
    apart = np.abs(features[:, None] - situations[None]) / SPANS
    novelty = np.partition(apart.max(axis=2), NEAR - 1, axis=1)[:, NEAR - 1]
    return np.asarray(spread + NOVELTY_WEIGHT * novelty, np.float64)


def calibrate(doubt: Floats, errors: Floats) -> Calibration:
    """Learn the calibration from positions whose error (points) is known: isotonic regression.

    Neighbours in doubt are pooled until right answers fall as doubt rises (Ayer et al. 1955, the
    pool adjacent violators algorithm), and until each level rests on twenty.
    """
    order = np.argsort(doubt, kind="stable")
    right = (np.abs(errors[order]) <= TOLERANCE).astype(np.float64)
    blocks: list[_Block] = []
    for value, at in zip(right.tolist(), doubt[order].tolist(), strict=True):
        blocks.append(_Block(value, 1, at, at))
        while len(blocks) > 1 and (
            blocks[-2].count < LEAST_PER_LEVEL or blocks[-2].share <= blocks[-1].share
        ):
            blocks[-2:] = [blocks[-2].with_next(blocks[-1])]
    if len(blocks) > 1 and blocks[-1].count < LEAST_PER_LEVEL:
        blocks[-2:] = [blocks[-2].with_next(blocks[-1])]
    # Half a wrong and half a right one more (Jeffreys): nothing is certain from a few answers.
    levels = [(each, (each.right + 0.5) / (each.count + 1.0)) for each in blocks]
    return Calibration(
        [at for each, _ in levels for at in (each.low, each.high)],
        [share for _, share in levels for _ in range(2)],
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """Answers of neighbouring doubts, from ``low`` to ``high``: how many, and how many right."""

    right: float
    count: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.right / self.count

    def with_next(self, other: "_Block") -> "_Block":
        return _Block(self.right + other.right, self.count + other.count, self.low, other.high)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Answers by what was promised: mean confidence, share that was right, how many."""

    promised: list[float]
    kept: list[float]
    counts: list[int]

    @property
    def error(self) -> float:
        """Mean distance of promise and truth, weighted by the answers (0 to 1)."""
        total = sum(self.counts)
        gaps = zip(self.promised, self.kept, self.counts, strict=True)
        return sum(abs(said - was) * count for said, was, count in gaps) / max(1, total)


def reliability(confidence: Floats, errors: Floats, bins: int = 10) -> Reliability:
    """Compare what was promised with what was kept, in equal steps of confidence."""
    right = np.abs(errors) <= TOLERANCE
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    used = [at for at in range(bins) if (place == at).any()]
    return Reliability(
        [float(confidence[place == at].mean()) for at in used],
        [float(right[place == at].mean()) for at in used],
        [int((place == at).sum()) for at in used],
    )
