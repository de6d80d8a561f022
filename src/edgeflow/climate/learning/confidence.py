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
    blocks: list[list[float]] = []
    for value, at in zip(right, doubt[order], strict=True):
        blocks.append([value, 1.0, at])
        while len(blocks) > 1 and (
            blocks[-2][1] < LEAST_PER_LEVEL
            or blocks[-2][0] / blocks[-2][1] < blocks[-1][0] / blocks[-1][1]
        ):
            total, count, place = blocks.pop()
            last = blocks[-1]
            mean = (last[2] * last[1] + place * count) / (last[1] + count)
            blocks[-1] = [last[0] + total, last[1] + count, mean]
    if len(blocks) > 1 and blocks[-1][1] < LEAST_PER_LEVEL:
        total, count, place = blocks.pop()
        last = blocks[-1]
        mean = (last[2] * last[1] + place * count) / (last[1] + count)
        blocks[-1] = [last[0] + total, last[1] + count, mean]
    # Half a wrong and half a right one more (Jeffreys): nothing is certain from a few answers.
    return Calibration(
        [float(block[2]) for block in blocks],
        [float((block[0] + 0.5) / (block[1] + 1.0)) for block in blocks],
    )


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
