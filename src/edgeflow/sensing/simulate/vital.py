"""Chests: breaths and heart beats with natural variability, as functions of time."""

import numpy as np

from edgeflow.sensing.simulate.scenario import Breathing, Heart
from edgeflow.sensing.simulate.tracks import Floats

__all__ = ["TRUTH_WINDOW", "Chest", "Cycles"]

TRUTH_WINDOW = 30.0
"""A true rate at a time is the number of cycles within this many seconds before it."""

INHALE = 0.42
BEAT = 0.35


class Cycles:
    """Something that repeats, each cycle of its own length and strength.

    Args:
        variability: deviation of a cycle's length; neighbours resemble each other.
        pauses: (start, seconds) when it stands still.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        bpm: float,
        variability: float,
        seconds: float,
        pauses: tuple[tuple[float, float], ...] = (),
    ) -> None:
        period = 60.0 / bpm
        count = int(seconds / period * 1.3) + 40
        white = rng.standard_normal(count + 8)
        smooth = np.convolve(white, np.full(4, 0.5), mode="same")[:count]
        lengths = period * np.clip(1 + variability * smooth, 0.6, 1.6)
        start = TRUTH_WINDOW + rng.uniform(0, period)
        self._starts = np.cumsum(lengths) - lengths[0] - start
        self._strength = np.clip(1 + 2 * variability * rng.standard_normal(count), 0.5, 1.5)
        self._clock_t, self._clock_u = _clock(pauses, seconds)

    def phase(self, times: Floats) -> Floats:
        """How many cycles have passed, with fractions."""
        clock = np.interp(times, self._clock_t, self._clock_u)
        return np.interp(clock, self._starts, np.arange(len(self._starts), dtype=np.float64))

    def strength(self, phase: Floats) -> Floats:
        """Of the cycles that these phases are in, about 1; changes only between cycles."""
        index = np.clip(phase.astype(np.int64), 0, len(self._strength) - 1)
        strength: Floats = self._strength[index]
        return strength

    def bpm(self, times: Floats) -> Floats:
        """Cycles per minute over the last ``TRUTH_WINDOW`` seconds."""
        passed = self.phase(times) - self.phase(times - TRUTH_WINDOW)
        return passed * (60.0 / TRUTH_WINDOW)


class Chest:
    """How far a chest stands out."""

    def __init__(
        self, rng: np.random.Generator, breathing: Breathing, heart: Heart, seconds: float
    ) -> None:
        self.breaths = Cycles(rng, breathing.bpm, breathing.variability, seconds, breathing.apneas)
        self.beats = Cycles(rng, heart.bpm, heart.variability, seconds)
        self._breath = breathing.amplitude_mm / 1000
        self._beat = heart.amplitude_mm / 1000

    def displacement(self, times: Floats) -> Floats:
        """Metres, f64[frames]."""
        phase = self.breaths.phase(times)
        part = phase % 1.0
        rising = 0.5 - 0.5 * np.cos(np.pi * part / INHALE)
        falling = 0.5 + 0.5 * np.cos(np.pi * ((part - INHALE) / (1 - INHALE)).clip(0) ** 0.8)
        breath = np.where(part < INHALE, rising, falling) * self.breaths.strength(phase)
        beat_part = self.beats.phase(times) % 1.0
        beat = np.where(beat_part < BEAT, 0.5 - 0.5 * np.cos(2 * np.pi * beat_part / BEAT), 0.0)
        total: Floats = self._breath * breath + self._beat * beat
        return total


def _clock(pauses: tuple[tuple[float, float], ...], seconds: float) -> tuple[Floats, Floats]:
    knots_t, knots_u, held = [-1e6], [-1e6], 0.0
    for start, length in sorted(pauses):
        begin = max(start, knots_t[-1])
        knots_t += [begin, begin + length]
        knots_u += [begin - held] * 2
        held += length
    end = max(seconds, knots_t[-1]) + 1e6
    return np.array([*knots_t, end]), np.array([*knots_u, end - held])
