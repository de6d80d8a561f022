"""Scenarios with names, and days as people and pets spend them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.sensing.simulate.scenario import (
    Activity,
    Breathing,
    DoorMove,
    Kind,
    Person,
    Pet,
    Radio,
    Scenario,
)

__all__ = ["FAST_LINK", "MIXED_LINK", "PRESETS", "day", "preset", "scene"]

FAST_LINK = Radio(rate_hz=100.0, extra_hz=10.0, stalls_hz=4.0, stall_ms=40.0)
"""A sender that is pinged a hundred times a second, as in the recordings of ``pulse-wifi``."""

MIXED_LINK = Radio(
    board="esp32s3", rate_hz=20.0, extra_hz=3.0, jitter_ms=4.0, lengths=(0.78, 0.21, 0.01)
)
"""A node that takes what comes, as in the recording of the reference system."""

DAY = 86400.0
SHUTTING = (0.4, 2.0)
"""How long a door takes to shut, seconds; the shortest slam."""


def preset(
    name: str, *, seed: int = 1, seconds: float = 60.0, radio: Radio | None = None
) -> Scenario:
    """A scenario by name.

    Raises:
        ConfigError: there is none of this name.
    """
    make = PRESETS.get(name)
    if make is None:
        raise ConfigError(f"no scenario {name!r}", hint=did_you_mean(name, list(PRESETS)))
    made = make(np.random.default_rng((seed, 7)), seconds)
    return replace(made, seed=seed, seconds=seconds, radio=radio or made.radio)


def scene(persons: int, *, seed: int = 1, seconds: float = 120.0) -> Scenario:
    """So many people (0 to 4) who sit or lie still, each breathing at another rate."""
    rng = np.random.default_rng((seed, 11))
    rates = 10.0 + 14.0 * (rng.permutation(4) + rng.uniform(0.2, 0.8, 4)) / 4
    return Scenario(
        seconds=seconds,
        seed=seed,
        persons=tuple(
            _still(rng, seconds, float(rates[number]), number, persons) for number in range(persons)
        ),
    )


def day(
    *, seed: int = 1, seconds: float = DAY, falls: int = 0, radio: Radio | None = None
) -> Scenario:
    """Somebody who lives alone with a cat: walks, sits, bends down, sleeps, goes out; a door slams.

    Falls as often as told, spread over the time, and stays on the floor for a minute each.
    """
    rng = np.random.default_rng((seed, 13))
    activities: list[Activity] = []
    passed, fallen = 0.0, 0
    moves: list[DoorMove] = []
    while passed < seconds and len(activities) < 15_000:
        due = falls and passed > seconds * (fallen + 0.5) / falls and fallen < falls
        chosen = _fall(rng) if due else _next(rng)
        fallen += bool(due)
        for activity in chosen:
            if activity.kind in ("enter", "leave"):
                shutting = float(rng.uniform(*SHUTTING))
                moves += [DoorMove(passed, 80.0), DoorMove(passed + 4.0, 0.0, shutting)]
            activities.append(activity)
            passed += activity.seconds
    person = Person(tuple(activities), Breathing(rng.uniform(12, 18)), fidgets_per_min=1.0)
    return Scenario(
        seconds=seconds,
        seed=seed,
        persons=(person,),
        pets=(Pet(jumps=0.5),),
        door_moves=tuple(moves),
        radio=radio or Radio(rate_hz=20.0),
    )


def _next(rng: np.random.Generator) -> list[Activity]:
    draw = rng.random()
    speed = rng.uniform(0.5, 1.3)
    if draw < 0.35:
        return [Activity("walk", rng.uniform(10, 120), speed=speed)]
    if draw < 0.45:
        down: Kind = "bend" if rng.random() < 0.6 else "squat"
        return [Activity(down, rng.uniform(4, 30), hasty=rng.uniform(1, 2), speed=speed)]
    if draw < 0.7:
        return [Activity("sit", rng.uniform(60, 1800), hasty=rng.uniform(1, 1.8), speed=speed)]
    if draw < 0.82:
        return [Activity("stand", rng.uniform(10, 300), speed=speed)]
    if draw < 0.9:
        return [Activity("lie", rng.uniform(600, 3600), hasty=rng.uniform(1, 1.4), speed=speed)]
    away = rng.uniform(120, 1800)
    return [Activity("leave", 12), Activity("away", away), Activity("enter", 12)]


def _fall(rng: np.random.Generator) -> list[Activity]:
    kinds: tuple[Kind, ...] = ("walk", "stand", "sit")
    before = kinds[int(rng.integers(3))]
    speed = float(rng.uniform(0.5, 1.2))
    fall = Activity("fall", 60.0, speed=speed)
    return [Activity(before, rng.uniform(15, 40), speed=speed), fall, Activity("stand", 20.0)]


def _still(
    rng: np.random.Generator, seconds: float, bpm: float, number: int = 0, persons: int = 1
) -> Person:
    kind: Kind = "lie" if rng.random() < 0.7 else "sit"
    side = (number + 1) / (persons + 1)
    place = (1.0 + 3.0 * side, float(rng.choice((1.5, 3.1)) + rng.uniform(-0.3, 0.3)))
    return Person((Activity(kind, seconds, place),), Breathing(bpm, rng.uniform(7, 12)))


def _breathing(rng: np.random.Generator, seconds: float) -> Scenario:
    return Scenario(persons=(_still(rng, seconds, float(rng.uniform(8, 24))),))


def _walking(rng: np.random.Generator, seconds: float) -> Scenario:
    walk = Activity("walk", seconds, speed=rng.uniform(0.6, 1.3))
    return Scenario(persons=(Person((walk,), Breathing(18.0)),))


def _falling(rng: np.random.Generator, seconds: float) -> Scenario:
    upright = min(rng.uniform(10, 20), seconds / 2)
    return Scenario(persons=(Person((Activity("walk", upright), Activity("fall", seconds))),))


def _door(seconds: float) -> Scenario:
    times = np.arange(5.0, max(seconds, 6.0), 20.0)
    moves = [DoorMove(float(at), (80.0, 0.0)[i % 2]) for i, at in enumerate(times)]
    return Scenario(door_moves=tuple(moves))


def _apnea(rng: np.random.Generator, seconds: float) -> Scenario:
    person = _still(rng, seconds, 14.0)
    held = Breathing(14.0, 10.0, apneas=((seconds / 2, 25.0),))
    return Scenario(persons=(replace(person, breathing=held),))


PRESETS: dict[str, Callable[[np.random.Generator, float], Scenario]] = {
    "apnea": _apnea,
    "breathing": _breathing,
    "day": lambda rng, seconds: day(seed=int(rng.integers(2**31)), seconds=seconds),
    "door": lambda _rng, seconds: _door(seconds),
    "empty": lambda _rng, _seconds: Scenario(),
    "falling": _falling,
    "pet": lambda _rng, _seconds: Scenario(pets=(Pet(),)),
    "three-persons": lambda rng, seconds: scene(3, seed=int(rng.integers(2**31)), seconds=seconds),
    "two-persons": lambda rng, seconds: scene(2, seed=int(rng.integers(2**31)), seconds=seconds),
    "walking": _walking,
}
"""Scenarios by name."""
