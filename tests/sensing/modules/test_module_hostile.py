"""Every module of the catalogue under frames that no room makes: none may trap or run for ever."""

from pathlib import Path

import numpy as np
import pytest

from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance

LENGTHS = (0, 1, 3, 52, 64, 128, 192)
STEPS_MS = (0, 1, 20, 50, 100, 900, 2600, 2**31, 2**32 - 40)
EXTREMES = (0.0, -1.0, 1e-38, 1e9, 3e38, np.inf, -np.inf, np.nan)
MODULES = sorted(SOURCES.glob("*/*.c"))


def hostile(rng: np.random.Generator, now: int) -> Inputs:
    count = int(rng.choice(LENGTHS))

    def values() -> np.ndarray:
        plain = rng.normal(1.0, 0.5, count)
        wild = rng.choice(EXTREMES, count)
        return np.where(rng.random(count) < rng.choice((0.0, 0.05)), wild, plain).astype(np.float32)

    def value(high: float) -> float:
        return float(rng.choice((0.0, high, rng.uniform(0, high), rng.choice(EXTREMES))))

    return Inputs(
        time_ms=now,
        amplitudes=values(),
        phases=values(),
        variances=values(),
        history=values(),
        breathing_bpm=value(40.0),
        heart_bpm=value(180.0),
        presence=bool(rng.random() < 0.5),
        motion_energy=value(5.0),
        persons=int(rng.integers(0, 5)),
    )


@pytest.mark.parametrize("source", MODULES, ids=lambda source: source.stem)
def test_no_module_traps_on_what_no_room_makes(source: Path) -> None:
    module = ModuleInstance(build_module(source))
    rng = np.random.default_rng(7)
    now = 0
    module.start()
    for number in range(200):
        now += int(rng.choice(STEPS_MS)) if rng.random() < 0.1 else 50
        module.inputs = hostile(rng, now)
        module.frame()
        if number % 10 == 0:
            module.timer()
