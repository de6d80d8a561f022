"""Sensing in simulated rooms, whose truth is known to the second."""

from dataclasses import dataclass, field, replace

import numpy as np

from edgeflow._native.csi import CsiProcessor, CsiVitals
from edgeflow.sensing.simulate import (
    Activity,
    Radio,
    Scenario,
    Simulation,
    Truth,
    preset,
    scene,
)

__all__ = ["RATES", "Simulated", "listen", "simulated"]

RATES = (10.0, 20.0, 28.5, 50.0)
SECONDS = 120.0
BREATHS = (8.0, 11.0, 14.0, 17.0, 20.0, 23.0, 26.0, 30.0)
TOLERANCE_BPM = 0.5
SETTLED = 60
HEART_TOLERANCE_BPM = 5.0
EARLY = 30
"""Seconds within which somebody still may not be seen yet."""

HELD = (100.0, 30.0)
"""When a breath is held, and for how long."""


@dataclass(slots=True)
class Simulated:
    """What was found at one frame rate.

    Attributes:
        words: what the numbers are, for a table's cell. always: there is an answer at any time.
        hits, told, all: how often right, how often anything was said, out of how many.
        wrong: scenes where it was said without reason.
    """

    words: str
    always: bool = False
    hits: int = 0
    told: int = 0
    all: int = 0
    wrong: int = 0
    errors: list[float] = field(default_factory=list)

    @property
    def cell(self) -> str:
        """The numbers in words."""
        if not self.told and not self.always:
            return "no reading"
        return self.words.format(
            right=self.hits / self.told if self.told else 0.0,
            told=self.told / max(1, self.all),
            wrong=self.wrong,
            error=float(np.percentile(self.errors, 95)) if self.errors else 0.0,
        )


def listen(scenario: Scenario) -> tuple[list[CsiVitals], Truth]:
    """What is said each second of a scenario, and what is true then."""
    simulation, processor = Simulation(scenario), CsiProcessor()
    said: list[CsiVitals] = []
    told = 1_000_000
    for frame in simulation:
        while frame.time_us >= told:
            said.append(processor.vitals(told))
            told += 1_000_000
        processor.push(frame.time_us, frame.pairs, source=frame.source)
    return said, simulation.truth(np.arange(1.0, len(said) + 1.0))


def _breathing(rate: float, seeds: int) -> Simulated:
    found = Simulated("{right:.0%} within 0.5, {told:.0%} told, p95 {error:.1f}")
    for seed in range(seeds):
        made = preset("breathing", seed=seed, seconds=SECONDS, radio=Radio(rate_hz=rate))
        person = made.persons[0]
        breath = replace(person.breathing, bpm=BREATHS[seed % len(BREATHS)], variability=0.02)
        said, truth = listen(replace(made, persons=(replace(person, breathing=breath),)))
        for second in range(SETTLED, len(said)):
            found.all += 1
            bpm = said[second].breathing_bpm
            if bpm is not None:
                error = abs(bpm - float(np.nanmean(truth.breathing_bpm[second - 15 : second, 0])))
                found.errors.append(error)
                found.told += 1
                found.hits += error <= TOLERANCE_BPM
    return found


def _heart(rate: float, seeds: int) -> Simulated:
    found = Simulated("{right:.0%} within 5, {told:.0%} told")
    for seed in range(seeds):
        made = preset("breathing", seed=seed, seconds=SECONDS, radio=Radio(rate_hz=rate))
        said, truth = listen(made)
        for second in range(SETTLED, len(said)):
            found.all += 1
            bpm = said[second].heart_bpm
            if bpm is not None:
                found.told += 1
                error = abs(bpm - float(truth.heart_bpm[second, 0]))
                found.hits += error <= HEART_TOLERANCE_BPM
    return found


def _presence(name: str, rate: float, seeds: int) -> Simulated:
    found = Simulated("{told:.0%} present", always=True)
    for seed in range(seeds):
        said, _ = listen(preset(name, seed=seed, seconds=SECONDS, radio=Radio(rate_hz=rate)))
        found.all += len(said)
        found.told += sum(second.presence for second in said)
    return found


def _still(rate: float, seeds: int) -> Simulated:
    found = Simulated("{told:.0%} present", always=True)
    for seed in range(seeds):
        said, _ = listen(preset("breathing", seed=seed, seconds=SECONDS, radio=Radio(rate_hz=rate)))
        found.all += len(said) - EARLY
        found.told += sum(second.presence for second in said[EARLY:])
    return found


def _held(rate: float, seed: int, kind: str) -> Scenario:
    """Somebody still who ``holds`` the breath, ``breathes`` on, or ``leaves``."""
    made = preset("breathing", seed=seed, seconds=160.0, radio=Radio(rate_hz=rate))
    person = made.persons[0]
    pauses = (HELD,) if kind == "holds" else ()
    person = replace(person, breathing=replace(person.breathing, apneas=pauses))
    if kind == "leaves":
        first = replace(person.activities[0], seconds=HELD[0])
        gone = (first, Activity("leave", 12.0), Activity("away", 60.0))
        person = replace(person, activities=gone)
    return replace(made, persons=(person,))


def _apneas(rate: float, seeds: int) -> Simulated:
    found = Simulated("{told:.0%} told, {wrong} wrong", always=True)
    for seed in range(seeds):
        for kind in ("holds", "breathes", "leaves"):
            said, _ = listen(_held(rate, seed, kind))
            within = [HELD[0] < second <= sum(HELD) + 15 for second in range(1, len(said) + 1)]
            told = [at for at, vitals in zip(within, said, strict=True) if vitals.apnea]
            found.all += kind == "holds"
            found.told += kind == "holds" and any(told)
            found.wrong += not all(told) or (kind != "holds" and bool(told))
    return found


def _persons(rate: float, seeds: int) -> Simulated:
    found = Simulated("{right:.0%} of scenes right")
    for seed in range(seeds):
        for count in range(4):
            made = scene(count, seed=seed, seconds=SECONDS)
            said, _ = listen(replace(made, radio=Radio(rate_hz=rate)))
            counts = [second.persons for second in said[SETTLED:]]
            found.all += 1
            found.told += 1
            found.hits += int(np.median(counts)) == count
    return found


def simulated(seeds: int) -> dict[str, dict[float, Simulated]]:
    """All of it, by what was simulated and the frame rate."""
    return {
        "breathing, 8 to 30 breaths/min": {rate: _breathing(rate, seeds) for rate in RATES},
        "heart of somebody still": {rate: _heart(rate, seeds) for rate in RATES},
        "0 to 3 persons, still": {rate: _persons(rate, seeds) for rate in RATES},
        "somebody still, after 30 s": {rate: _still(rate, seeds) for rate in RATES},
        "breath held for 30 s": {rate: _apneas(rate, seeds) for rate in RATES},
        "empty room": {rate: _presence("empty", rate, seeds) for rate in RATES},
        "walking": {rate: _presence("walking", rate, seeds) for rate in RATES},
        "a cat alone": {rate: _presence("pet", rate, seeds) for rate in RATES},
    }
