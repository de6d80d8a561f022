"""Motion along given points: smooth, exactly still between equal points, a function of time."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Track", "wander"]

Floats = NDArray[np.float64]


class Track:
    """Values over time, by monotone cubic interpolation: no overshoot, no jump of the speed.

    Args:
        times: f64[n], seconds, rising; times that do not rise are dropped.
        values: f64[n, channels].
    """

    def __init__(self, times: Floats, values: Floats) -> None:
        keep = np.concatenate(([True], np.diff(np.maximum.accumulate(times)) > 1e-6))
        self._t = np.asarray(times, dtype=np.float64)[keep]
        self._v = np.asarray(values, dtype=np.float64)[keep]
        self._slopes = _slopes(self._t, self._v)

    def __call__(self, times: Floats) -> Floats:
        """f64[frames, channels]; before the first and after the last point it rests."""
        if len(self._t) == 1:
            return np.repeat(self._v, len(times), axis=0)
        t = np.clip(times, self._t[0], self._t[-1])
        i = np.clip(np.searchsorted(self._t, t, side="right") - 1, 0, len(self._t) - 2)
        width = self._t[i + 1] - self._t[i]
        s = ((t - self._t[i]) / width)[:, None]
        rise = s * s * (3 - 2 * s)
        bend_in = s * (1 - s) ** 2 * width[:, None]
        bend_out = s * s * (s - 1) * width[:, None]
        shape = self._v[i] + (self._v[i + 1] - self._v[i]) * rise
        moved: Floats = shape + bend_in * self._slopes[i] + bend_out * self._slopes[i + 1]
        return moved


def wander(
    rng: np.random.Generator, seconds: float, step: float, shortest: float, channels: int
) -> tuple[Floats, NDArray[np.complex128]]:
    """Slow complex noise of unit power with more of it the slower: (times, values[n, channels]).

    Periods go from ``shortest`` seconds to an hour.
    """
    times = np.arange(0.0, seconds + 2 * step, step)
    waves = 24
    rates = np.exp(rng.uniform(np.log(1 / 3600), np.log(1 / shortest), (waves, channels)))
    rates *= rng.choice((-1, 1), rates.shape)
    weights = rng.standard_normal(rates.shape) + 1j * rng.standard_normal(rates.shape)
    weights /= np.sqrt((abs(weights) ** 2).sum(0))
    total = np.zeros((len(times), channels), dtype=np.complex128)
    for rate, weight in zip(rates, weights, strict=True):
        total += weight * np.exp(2j * np.pi * times[:, None] * rate)
    return times, total


def _slopes(t: Floats, v: Floats) -> Floats:
    slopes = np.zeros_like(v)
    if len(t) < 3:
        return slopes
    width = np.diff(t)[:, None]
    secant = np.diff(v, axis=0) / width
    before, after = secant[:-1], secant[1:]
    weight_a = 2 * width[1:] + width[:-1]
    weight_b = width[1:] + 2 * width[:-1]
    same = before * after > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = (weight_a + weight_b) / (weight_a / before + weight_b / after)
    slopes[1:-1] = np.where(same, mean, 0.0)
    return slopes
