"""How much better a candidate is than the model in use, and how sure that is."""

import numpy as np

from edgeflow.climate.learning.confidence import TOLERANCE
from edgeflow.climate.learning.examples import Floats

__all__ = ["LEAST_GAIN", "SURE", "certainty", "cost_of_change", "hours_in"]

LEAST_GAIN = 0.5
"""Mean points by which a candidate must be better.

What it changes within the tolerance of what nobody complained about is not seen; this makes up for
it.
"""
SURE = 0.99
BLOCK_SECONDS = 3600.0
"""What is said within the hour is about the same air, and counts as one piece of evidence."""
LEAST_BLOCKS = 6
DRAWS = 2000


def cost_of_change(change: Floats) -> Floats:
    """Points that are surely lost by moving what nobody complained about by so many points."""
    return np.asarray(np.maximum(np.abs(change) - TOLERANCE, 0.0), np.float64)


def hours_in(times: Floats) -> int:
    """How many hours of the clock there are in times (seconds)."""
    return len(np.unique(np.floor(times / BLOCK_SECONDS)))


def certainty(gains: Floats, times: Floats, seed: int) -> float:
    """Share of bootstrap draws in which the mean gain is above the least: 0 to 1.

    Whole hours are drawn, for what is said within one is alike; 0 with fewer than six of them.

    Args:
        gains: points by which a candidate was nearer to what was wanted, (n,).
        times: seconds, (n,).
        seed: of the draws.
    """
    hours, place = np.unique(np.floor(times / BLOCK_SECONDS), return_inverse=True)
    if len(hours) < LEAST_BLOCKS:
        return 0.0
    sums = np.bincount(place, gains - LEAST_GAIN)
    rng = np.random.default_rng(seed)
    drawn = sums[rng.integers(0, len(sums), (DRAWS, len(sums)))].sum(axis=1)
    return float((drawn > 0).mean())
