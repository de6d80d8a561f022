"""A candidate that decides the same requests as the model in use, and is not listened to."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgeflow.climate.learning.gains import SURE, certainty, cost_of_change, hours_in
from edgeflow.climate.learning.versions import Model

__all__ = ["Shadow", "Standing", "Verdict"]

Verdict = Literal["open", "better", "dropped"]
LOOKS = (6, 12, 24, 48)
"""Hours with corrections after which it is judged; at any other a lucky moment would decide."""
LEAST_CORRECTIONS = 10
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
        certainty: that the candidate is better by ``LEAST_GAIN`` points.
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
    _changes: list[float] = field(default_factory=list)
    _corrected_at: list[float] = field(default_factory=list)
    _accepted_at: list[float] = field(default_factory=list)
    _looked: int = 0

    def corrected(self, time: float, ours: float, theirs: float, wanted: float) -> None:
        """Somebody wanted another position than the one of the model in use (``theirs``)."""
        if len(self._ours) < MAX_GAINS:
            self._corrected_at.append(time)
            self._ours.append(abs(ours - wanted))
            self._theirs.append(abs(theirs - wanted))

    def accepted(self, time: float, ours: float, theirs: float) -> None:
        """Nobody changed ``theirs``: whatever differs from it costs."""
        if len(self._changes) < MAX_GAINS:
            self._accepted_at.append(time)
            self._changes.append(ours - theirs)

    def verdict(self, now: float) -> Verdict:
        """What is to be done with the candidate; ``open`` while more is to be seen."""
        due = next((look for look in LOOKS if look > self._looked), None)
        if due is None or now - self.since > LONGEST:
            return "dropped"
        if len(self._ours) < LEAST_CORRECTIONS or hours_in(np.array(self._corrected_at)) < due:
            return "open"
        self._looked = due
        sure = self.standing().certainty
        if sure >= SURE:
            return "better"
        return "dropped" if sure <= HOPELESS or due == LOOKS[-1] else "open"

    def standing(self) -> Standing:
        """How it does up to now."""
        ours, theirs = np.array(self._ours), np.array(self._theirs)
        gains = np.concatenate([theirs - ours, -cost_of_change(np.array(self._changes))])
        times = np.array([*self._corrected_at, *self._accepted_at])
        some = len(ours) > 0
        return Standing(
            version=self.candidate.metadata.version,
            since=self.since,
            corrections=len(ours),
            accepted=len(self._changes),
            error=float(ours.mean()) if some else 0.0,
            parent_error=float(theirs.mean()) if some else 0.0,
            certainty=certainty(gains, times, self.seed),
        )
