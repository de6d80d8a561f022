"""A candidate that decides the same requests as the model in use, and is not listened to."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgeflow.climate.learning.confidence import TOLERANCE
from edgeflow.climate.learning.learner import SURE, certainty
from edgeflow.climate.learning.versions import Model

__all__ = ["Shadow", "Standing", "Verdict"]

Verdict = Literal["open", "better", "dropped"]
LOOKS = (10, 20, 40, 80)
"""Corrections at which it is judged; at any other number a lucky moment would decide."""
HOPELESS = 0.2
LONGEST = 14 * 86_400.0
MAX_GAINS = 5000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a shadow does.

    Attributes:
        version: of the candidate. since: seconds since the Unix epoch.
        corrections, accepted: decisions that somebody changed, and that were left alone.
        error, parent_error: mean distance from the corrections, in points.
        certainty: that the candidate is better.
    """

    version: str
    since: float
    corrections: int
    accepted: int
    error: float
    parent_error: float
    certainty: float


@dataclass(slots=True)
class Shadow:
    """Evidence about a candidate from live requests: none of it came before the candidate.

    Attributes:
        candidate: under trial. since: of the trial, seconds since the Unix epoch.
    """

    candidate: Model
    since: float
    seed: int = 1
    _ours: list[float] = field(default_factory=list)
    _theirs: list[float] = field(default_factory=list)
    _excess: list[float] = field(default_factory=list)
    _looked: int = 0

    def corrected(self, ours: float, theirs: float, wanted: float) -> None:
        """Somebody wanted another position than the one of the model in use (``theirs``)."""
        if len(self._ours) < MAX_GAINS:
            self._ours.append(abs(ours - wanted))
            self._theirs.append(abs(theirs - wanted))

    def accepted(self, ours: float, theirs: float) -> None:
        """Nobody changed ``theirs``: whatever differs from it by more than the tolerance costs."""
        if len(self._excess) < MAX_GAINS:
            self._excess.append(max(abs(ours - theirs) - TOLERANCE, 0.0))

    def verdict(self, now: float) -> Verdict:
        """What is to be done with the candidate; ``open`` while more is to be seen."""
        due = next((look for look in LOOKS if look > self._looked), None)
        if due is None or now - self.since > LONGEST:
            return "dropped"
        if len(self._ours) < due:
            return "open"
        self._looked = due
        sure = self.standing().certainty
        if sure >= SURE:
            return "better"
        return "dropped" if sure <= HOPELESS or due == LOOKS[-1] else "open"

    def standing(self) -> Standing:
        """How it does up to now."""
        ours, theirs = np.array(self._ours), np.array(self._theirs)
        gains = np.concatenate([theirs - ours, -np.array(self._excess)])
        some = len(ours) > 0
        return Standing(
            version=self.candidate.metadata.version,
            since=self.since,
            corrections=len(ours),
            accepted=len(self._excess),
            error=float(ours.mean()) if some else 0.0,
            parent_error=float(theirs.mean()) if some else 0.0,
            certainty=certainty(gains, self.seed),
        )
