"""The algorithm that the reference system published, written anew from its description.

It is here to be compared with, defects included: it unwraps once, keeps every value for ever,
designs its filters for 20 Hz and counts beats as if there were 10 frames a second.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceAlgorithm", "ReferenceVitals"]

MAX_SUBCARRIERS = 128
TOP = 8
RING = 256
LEAST_SAMPLES = 64
LEARNT_FRAMES = 1200
THINNED_US = 20_000
FILTER_RATE = 20.0
ASSUMED_RATE = 10.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReferenceVitals:
    """What it would send: 0 stands for rates not yet known."""

    motion_energy: float
    threshold: float
    presence: bool
    breathing_bpm: float
    heart_bpm: float
    persons: int


class _BandPass:
    def __init__(self, low: float, high: float) -> None:
        centre = math.pi * (low + high) / FILTER_RATE
        width = 2 * math.pi * (high - low) / FILTER_RATE
        alpha = math.sin(centre) * math.sinh(math.log(2) / 2 * width / math.sin(centre))
        self._gain = alpha / (1 + alpha)
        self._a1 = -2 * math.cos(centre) / (1 + alpha)
        self._a2 = (1 - alpha) / (1 + alpha)
        self._x1 = self._x2 = self._y1 = self._y2 = 0.0

    def push(self, x: float) -> float:
        y = self._gain * (x - self._x2) - self._a1 * self._y1 - self._a2 * self._y2
        self._x2, self._x1, self._y2, self._y1 = self._x1, x, self._y1, y
        return y


class _Rate:
    """A rate from positive zero crossings; out of its bounds the old one stays."""

    def __init__(self, low: float, high: float, least: float, most: float) -> None:
        self._filter = _BandPass(low, high)
        self._ring: deque[float] = deque(maxlen=RING)
        self._bounds = least, most
        self.bpm = 0.0

    def push(self, x: float) -> None:
        self._ring.append(self._filter.push(x))
        ring = np.array(self._ring)
        if len(ring) >= LEAST_SAMPLES:
            crossings = np.flatnonzero((ring[:-1] <= 0) & (ring[1:] > 0))[:128]
            if len(crossings) > 1:
                bpm = 60 * ASSUMED_RATE / float(np.diff(crossings).mean())
                if self._bounds[0] <= bpm <= self._bounds[1]:
                    self.bpm = bpm


class ReferenceAlgorithm:
    """Tier 2 with K = 8 and the automatic threshold."""

    def __init__(self) -> None:
        self._sent_us: int | None = None
        self._phase: Floats = np.zeros(0)
        self._count = 0
        self._mean: Floats = np.zeros(MAX_SUBCARRIERS)
        self._squares: Floats = np.zeros(MAX_SUBCARRIERS)
        self._top: NDArray[np.intp] = np.zeros(0, np.intp)
        self._primary: deque[float] = deque(maxlen=20)
        self._breathing = _Rate(0.1, 0.5, 6, 40)
        self._heart = _Rate(0.8, 2.0, 40, 180)
        self._energies: list[float] = []
        self._threshold = 0.05

    def push(self, time_us: int, pairs: NDArray[np.int8]) -> None:
        """Take one frame in: (subcarriers, 2); at most one in 20 ms is used."""
        early = self._sent_us is not None and time_us - self._sent_us < THINNED_US
        if early or not 0 < len(pairs) <= MAX_SUBCARRIERS:
            return
        self._sent_us = time_us
        phase = self._unwrap(np.arctan2(pairs[:, 1].astype(float), pairs[:, 0].astype(float)))
        self._spread(phase)
        primary = float(phase[self._top[0]])
        self._primary.append(primary)
        self._breathing.push(primary)
        self._heart.push(primary)
        self._learn()

    def _unwrap(self, phase: Floats) -> Floats:
        if len(self._phase) == len(phase):
            step = phase - self._phase
            step = np.where(step > math.pi, step - 2 * math.pi, step)
            step = np.where(step < -math.pi, step + 2 * math.pi, step)
            phase = self._phase + step
        self._phase = phase
        return phase

    def _spread(self, phase: Floats) -> None:
        """Variances over all that ever was, and every hundredth frame the K largest of them."""
        n = len(phase)
        self._count += 1
        away = phase - self._mean[:n]
        self._mean[:n] += away / self._count
        self._squares[:n] += away * (phase - self._mean[:n])
        if self._count % 100 == 1 or not len(self._top):
            variance = self._squares[:n] / max(1, self._count - 1)
            self._top = np.argsort(-variance, kind="stable")[:TOP]

    @property
    def _energy(self) -> float:
        return float(np.var(self._primary)) if len(self._primary) >= 10 else 0.0

    def _learn(self) -> None:
        if len(self._energies) < LEARNT_FRAMES:
            self._energies.append(self._energy)
            if len(self._energies) == LEARNT_FRAMES:
                sigma = float(np.std(self._energies)) or 0.001
                self._threshold = max(float(np.mean(self._energies)) + 3 * sigma, 0.01)

    def vitals(self) -> ReferenceVitals:
        """Return what a vitals packet would hold now."""
        energy = self._energy
        return ReferenceVitals(
            motion_energy=energy,
            threshold=self._threshold,
            presence=energy > self._threshold,
            breathing_bpm=self._breathing.bpm,
            heart_bpm=self._heart.bpm,
            persons=max(1, min(4, len(self._top) // 2)) if len(self._top) >= 2 else 1,
        )
