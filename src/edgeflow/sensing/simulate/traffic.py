"""When frames arrive: a steady sender, lateness, a medium that is busy at times, and losses."""

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.simulate.scenario import Radio
from edgeflow.sensing.simulate.tracks import Floats

__all__ = ["arrivals", "lengths"]

SPACING = 0.00025
BURST_LOSS = 0.25


def arrivals(
    rng: np.random.Generator, radio: Radio, start: float, end: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Frames that arrive in [start, end): (times in seconds, whether each was lost).

    What should come while the medium is busy comes right after, frame behind frame; a part of
    such a burst is lost.
    """
    regular = np.arange(np.ceil(start * radio.rate_hz), np.ceil(end * radio.rate_hz))
    times = regular / radio.rate_hz
    times = times + rng.exponential(radio.jitter_ms / 1000, len(times))
    if radio.extra_hz:
        times = np.append(
            times, rng.uniform(start, end, rng.poisson(radio.extra_hz * (end - start)))
        )
    times = np.sort(times)
    lost = rng.random(len(times)) < radio.loss
    stalls = rng.poisson(radio.stalls_hz * (end - start))
    begins = rng.uniform(start, end, stalls)
    for begin, length in zip(begins, rng.exponential(radio.stall_ms / 1000, stalls), strict=True):
        held = (times >= begin) & (times < begin + length)
        times[held] = begin + length
        lost |= held & (rng.random(len(times)) < BURST_LOSS)
    times = np.sort(times)
    room = np.arange(len(times)) * SPACING
    times = np.maximum.accumulate(times - room) + room
    inside = times < end
    return times[inside], lost[inside]


def lengths(rng: np.random.Generator, radio: Radio, count: int) -> NDArray[np.uint16]:
    """Number of bins of each frame."""
    drawn: NDArray[np.uint16] = rng.choice(
        np.array([64, 128, 192], dtype=np.uint16), count, p=np.array(radio.lengths)
    )
    return drawn
