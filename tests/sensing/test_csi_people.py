"""Who is in simulated rooms, how many, and whether they breathe: the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from edgeflow._native.csi import CsiVitals
from edgeflow.core.vitals import SensingEvent, VitalsUpdate
from edgeflow.sensing.evaluation_simulated import listen
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.simulate import (
    Activity,
    Breathing,
    Radio,
    Scenario,
    Simulation,
    preset,
    scene,
)
from edgeflow.sensing.tracking import Tracker, TrackOptions

RADIO = Radio(rate_hz=50.0)
HELD = (100.0, 30.0)
"""When a breath stops, and for how long."""


def said_of(made: Scenario) -> list[CsiVitals]:
    return listen(replace(made, radio=RADIO))[0]


def somebody(seed: int, *, held: bool = False, then: tuple[Activity, ...] = ()) -> Scenario:
    """Who lies or sits still and breathes 14 times a minute."""
    made = preset("breathing", seed=seed, seconds=160.0)
    person = made.persons[0]
    breath = Breathing(14.0, 10.0, apneas=(HELD,) if held else ())
    first = replace(person.activities[0], seconds=HELD[0]) if then else person.activities[0]
    return replace(made, persons=(replace(person, breathing=breath, activities=(first, *then)),))


@pytest.mark.parametrize(("persons", "seed"), [(0, 1), (1, 1), (2, 5), (3, 6), (3, 7)])
def test_persons_who_are_still_are_counted(persons: int, seed: int) -> None:
    said, truth = listen(replace(scene(persons, seed=seed), radio=RADIO))
    assert np.median([second.persons for second in said[60:]]) == persons
    rates, true = sorted(said[-1].person_bpm), np.sort(truth.breathing_bpm[-45:].mean(axis=0))
    assert np.abs(np.array(rates) - true).max(initial=0) < 1.5


def test_one_who_breathes_deeply_is_one() -> None:
    made = somebody(2)
    deep = replace(made.persons[0], breathing=Breathing(9.0, 16.0))
    counts = [second.persons for second in said_of(replace(made, persons=(deep,)))[40:]]
    assert np.mean(np.array(counts) == 1) > 0.8


@pytest.mark.parametrize(
    ("bpm", "rate_hz"), [(8.0, 50.0), (14.0, 28.5), (23.0, 20.0), (30.0, 10.0)]
)
def test_breaths_are_read_within_half_a_breath_at_any_frame_rate(
    bpm: float, rate_hz: float
) -> None:
    made = preset("breathing", seed=3, seconds=90.0, radio=Radio(rate_hz=rate_hz))
    breath = Breathing(bpm, 10.0, variability=0.02)
    person = replace(made.persons[0], breathing=breath)
    said, truth = listen(replace(made, persons=(person,)))
    read = [
        (vitals.breathing_bpm, float(truth.breathing_bpm[second - 15 : second, 0].mean()))
        for second, vitals in enumerate(said)
        if second >= 60 and vitals.breathing_bpm is not None
    ]
    assert len(read) > 15
    assert max(abs(told - true) for told, true in read) <= 0.5


def test_somebody_still_is_there_before_the_rate_is() -> None:
    said = said_of(somebody(1))
    first = next(index for index, second in enumerate(said) if second.presence)
    told = next(index for index, second in enumerate(said) if second.breathing_bpm)
    assert first < 25 < told
    assert said[first].presence_score >= 1 > said[3].presence_score


def test_a_breath_that_stops_is_told_and_ends() -> None:
    told: list[VitalsUpdate | SensingEvent] = []
    host = Tracker(1, "1", TrackOptions(), 0, told.append)
    for frame in Simulation(replace(somebody(3, held=True), radio=RADIO)):
        host.push(CsiFrame(frame.time_us, frame.pairs.tobytes(), frame.rssi, source=frame.source))
    stopped = [each for each in told if isinstance(each, VitalsUpdate) and each.apnea]
    assert HELD[0] + 12 <= stopped[0].t <= sum(HELD)
    assert stopped[-1].t <= sum(HELD) + 20
    assert all(each.presence for each in stopped)
    (event,) = (each for each in told if isinstance(each, SensingEvent) and each.kind == "apnea")
    assert event.t == stopped[0].t and event.presence


@pytest.mark.parametrize("seed", [1, 2])
def test_who_breathes_or_leaves_does_not_stop(seed: int) -> None:
    gone = (Activity("leave", 12.0), Activity("away", 100.0))
    assert not any(vitals.apnea for vitals in said_of(somebody(seed)))
    assert not any(vitals.apnea for vitals in said_of(somebody(seed, then=gone)))


@pytest.mark.parametrize("name", ["empty", "walking", "pet", "door"])
def test_rooms_without_anybody_still_have_no_breath(name: str) -> None:
    said = said_of(preset(name, seed=1, seconds=90.0))
    assert {(vitals.breathing_bpm, vitals.heart_bpm, vitals.apnea) for vitals in said} == {
        (None, None, False)
    }
    assert max(vitals.persons for vitals in said) <= 1
