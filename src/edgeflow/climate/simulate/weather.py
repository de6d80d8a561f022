"""Situations of a home as they come over days: warm afternoons, wandering damp, noise at times."""

import numpy as np

from edgeflow.protocols.climate import Features

__all__ = ["situation"]

DAY = 86_400.0


def situation(time: float, rng: np.random.Generator) -> Features:
    """What a room's sensors say at a time (seconds).

    Degrees swing by 4 over a day and by 2.5 over a week; a third of the time there is noise.
    """
    day = time / DAY
    swing = 4.0 * np.sin(2 * np.pi * day) + 2.5 * np.sin(2 * np.pi * day / 7)
    damp = 55.0 + 12.0 * np.sin(1.4 * np.pi * day + 1.0) + rng.normal(0.0, 7.0)
    noise = 25.0 * rng.random() if rng.random() < 0.35 else 0.0
    return Features(
        float(22.0 + swing + rng.normal(0.0, 1.2)),
        float(np.clip(damp, 10.0, 100.0)),
        float(np.clip(-55.0 + noise + rng.normal(0.0, 4.0), -80.0, 0.0)),
    )
