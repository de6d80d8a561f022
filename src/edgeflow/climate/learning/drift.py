"""Whether rooms have become other than those that the model learnt from."""

from collections import deque
from typing import NamedTuple

import numpy as np

from edgeflow.climate.learning.examples import Floats
from edgeflow.climate.triggers import FEATURES

__all__ = ["DriftDetector", "Edges", "population_stability"]

BINS = 10
WINDOW = 500
LEAST = 100
SHIFTED = 0.25
"""Above it a population has shifted (the usual reading of the population stability index)."""


class Edges(NamedTuple):
    """Deciles of each feature that was learnt from: float64 (3, 9)."""

    deciles: Floats

    @classmethod
    def of(cls, features: Floats) -> "Edges":
        """Measure features (n, 3)."""
        inner = np.linspace(0, 100, BINS + 1)[1:-1]
        return cls(np.percentile(features, inner, axis=0).T)


def population_stability(edges: Floats, values: Floats) -> float:
    """The population stability index of values against deciles (9,): 0 for the same spread."""
    counts = np.bincount(np.searchsorted(edges, values), minlength=BINS)
    share = (counts + 0.5) / (len(values) + 0.5 * BINS)
    expected = 1.0 / BINS
    return float(np.sum((share - expected) * np.log(share / expected)))


class DriftDetector:
    """Compares the last requests with what was learnt from."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._seen: deque[Floats] = deque(maxlen=WINDOW)

    def see(self, features: Floats) -> None:
        """Take the features (3,) of a request in."""
        self._seen.append(features)

    def scores(self) -> dict[str, float]:
        """The index of each feature; empty while too few were seen."""
        if len(self._seen) < LEAST:
            return {}
        values = np.stack(list(self._seen))
        return {
            name: population_stability(self._edges.deciles[at], values[:, at])
            for at, name in enumerate(FEATURES)
        }

    def drifted(self) -> list[str]:
        """Features that have shifted."""
        return [name for name, score in self.scores().items() if score > SHIFTED]
