"""How decisions turned out: the evidence by which models are compared and confidence is kept."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgeflow.climate.learning.examples import Floats

__all__ = ["MAX_OUTCOMES", "Evidence", "Outcome", "Outcomes"]

MAX_OUTCOMES = 1000


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """A decision, and what became of it.

    Attributes:
        time: seconds since the Unix epoch. features: degrees Celsius, per cent, dBFS.
        wanted: where somebody put the window, or where it was left, per cent open.
        corrected: somebody put it there. heard: or had spoken shortly before.
    """

    time: float
    features: tuple[float, float, float]
    wanted: float
    corrected: bool
    heard: bool = True


class Evidence(NamedTuple):
    """Outcomes as arrays: times (n,), features (n, 3), wanted (n,), corrected bool (n,)."""

    times: Floats
    features: Floats
    wanted: Floats
    corrected: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Evidence":
        """Arrange outcomes."""
        chosen = list(outcomes)
        return cls(
            np.array([one.time for one in chosen], np.float64),
            np.array([one.features for one in chosen], np.float64).reshape(-1, 3),
            np.array([one.wanted for one in chosen], np.float64),
            np.array([one.corrected for one in chosen], np.bool_),
        )


class Outcomes:
    """The newest outcomes, oldest first; bounded."""

    def __init__(self, known: Iterable[Outcome] = ()) -> None:
        self._known: deque[Outcome] = deque(known, maxlen=MAX_OUTCOMES)

    def __len__(self) -> int:
        return len(self._known)

    def add(self, outcome: Outcome) -> None:
        """Take one in; the oldest gives way when there are too many."""
        self._known.append(outcome)

    def all(self) -> list[Outcome]:
        """All of them, as a list of its own."""
        return list(self._known)
