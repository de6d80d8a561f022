"""Somebody who lives with a window: what they want, and when they say so."""

from dataclasses import dataclass, field

import numpy as np

from edgeflow.protocols.climate import Features

__all__ = ["Person"]


@dataclass(slots=True)
class Person:
    """Wants fresh air when it is warm or damp inside, and quiet.

    Other than the rule that a model begins with, this person airs a damp room, hates noise, and
    wants the window shut below 19 degrees.

    Attributes:
        comfortable: degrees above which the window opens. damp: per cent from which air is wanted.
        quiet: dBFS above which noise closes it. care: points of error that are let pass.
        slip: deviation of what is said from what is wanted. speaks: how likely an error is
            corrected; who is asleep or out says nothing. tinkers: how likely what is right enough
            is corrected. lies: every so many-th time the opposite is said; 0 for never.
    """

    comfortable: float = 23.0
    damp: float = 65.0
    quiet: float = -35.0
    care: float = 8.0
    slip: float = 3.0
    speaks: float = 0.7
    tinkers: float = 0.03
    lies: int = 0
    spoken: int = field(default=0, compare=False)

    def wants(self, features: Features) -> float:
        """The position that this person would choose."""
        warm = _ramp(features.temperature, self.comfortable - 4.0, self.comfortable + 4.0)
        damp = _ramp(features.humidity, self.damp - 5.0, self.damp + 15.0)
        loud = _ramp(features.sound_volume, self.quiet - 5.0, self.quiet + 10.0)
        opened = max(90.0 * warm, 60.0 * damp if features.temperature > 15.0 else 20.0 * damp)
        return opened * (1.0 - 0.85 * loud)

    def says(self, features: Features, position: float, rng: np.random.Generator) -> float | None:
        """Correct a decision, or say nothing."""
        wanted = self.wants(features)
        wrong = abs(wanted - position) > self.care
        if rng.random() > (self.speaks if wrong else self.tinkers):
            return None
        self.spoken += 1
        if self.lies and self.spoken % self.lies == 0:
            return 100.0 if wanted < 50.0 else 0.0
        return float(np.clip(wanted + rng.normal(0.0, self.slip), 0.0, 100.0))


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
