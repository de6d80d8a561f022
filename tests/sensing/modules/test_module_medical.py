"""Modules of medicine, over simulated rooms. What they tell are indications, not diagnoses."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import Told, events_of
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance
from edgeflow.sensing.simulate import Activity, Breathing, Frame, Person, Scenario, Simulation
from sensed_rooms import LINK, NEAR, empty, lying, told, walking

CHANGES = 900.0
PAUSES = ((120.0, 25.0), (190.0, 25.0), (260.0, 18.0))


@cache
def built(name: str) -> bytes:
    return build_module(SOURCES / f"{name}.c")


def breathing_at(bpm: float, seconds: float, seed: int = 5, depth_mm: float = 9.0) -> Scenario:
    """Somebody who lies still near the link."""
    scenario = lying(seconds, seed=seed)
    person = replace(scenario.persons[0], breathing=Breathing(bpm, depth_mm))
    return replace(scenario, persons=(person,))


def joined(first: Scenario, then: Scenario) -> list[Frame]:
    """One after the other, as of the same person in the same place."""
    start = round(first.seconds * 1e6)
    later = [frame._replace(time_us=frame.time_us + start) for frame in Simulation(then)]
    return list(Simulation(first)) + later


def told_of(name: str, frames: list[Frame]) -> list[Told]:
    return list(events_of(built(name), frames))


def faster_after(seconds: float, bpm: float) -> list[Frame]:
    """Somebody whose breath quickens after a while."""
    return joined(breathing_at(14.0, seconds), breathing_at(bpm, 600.0))


def test_a_breath_that_quickens_is_told_and_raises_the_warning() -> None:
    events = told_of("medical/vital_trend", faster_after(CHANGES, 26.0))
    changes = [event for event in events if event.type == 150]
    warnings = [event for event in events if event.type == 152]
    assert min(event.seconds for event in events) > CHANGES
    assert 20 < changes[0].value < 60
    assert warnings[-1].value == 3.0
    assert {event.type for event in events} <= {150, 152, 153}


@pytest.mark.parametrize(
    "scenario", [empty(600.0), breathing_at(14.0, CHANGES)], ids=["empty", "steady"]
)
def test_no_change_is_told_of_a_steady_breath(scenario: Scenario) -> None:
    assert told("medical/vital_trend", scenario) == {}


def test_a_heart_that_quickens_would_be_told() -> None:
    module = ModuleInstance(built("medical/vital_trend"))
    events = []
    for second in range(1800):
        rate = 60.0 if second < 1200 else 115.0
        module.inputs = Inputs(time_ms=1000 * second, breathing_bpm=14.0, heart_bpm=rate)
        events += [(second, *event) for event in module.timer()]
    assert {kind for _, kind, _ in events} == {151, 152}
    assert min(second for second, *_ in events) > 1200
    assert events[-1][2] == 2.0 or events[-1][1] == 151


def visiting(seconds: float = 260.0) -> Scenario:
    """Somebody who comes, sits until the breath is read, gets up and leaves."""
    activities = (
        Activity("away", 20.0),
        Activity("enter", 12.0),
        Activity("sit", 130.0, NEAR),
        Activity("walk", 20.0),
        Activity("leave", 12.0),
        Activity("away", seconds),
    )
    person = Person(activities, Breathing(14.0, 9.0))
    return Scenario(seconds=seconds, persons=(person,), radio=LINK, seed=1)


def test_pauses_of_the_breath_are_told_with_their_length() -> None:
    events = told("medical/sleep_apnea", lying(330.0, PAUSES, seed=1))
    for (start, length), begin, end in zip(PAUSES, events[100], events[101], strict=True):
        assert start + 8 < begin.seconds < start + 18
        assert end.value == pytest.approx(length, abs=4.0)
        assert end.seconds == pytest.approx(start + length, abs=6.0)


@pytest.mark.parametrize(
    "scenario",
    [empty(60.0), breathing_at(8.0, 200.0, seed=1), visiting(), walking(60.0)],
    ids=["empty", "slow", "visit", "walking"],
)
@pytest.mark.parametrize("name", ["sleep_apnea", "respiratory_distress"])
def test_no_pause_and_no_distress_is_told_of_an_even_breath(name: str, scenario: Scenario) -> None:
    assert told(f"medical/{name}", scenario) == {}


def test_a_breath_that_is_too_fast_is_told() -> None:
    events = told("medical/respiratory_distress", breathing_at(28.0, 120.0, seed=1))
    assert events[120][0].value == pytest.approx(28.0, abs=1.5)
    assert events[123][0].value == pytest.approx(0.4)
    assert set(events) == {120, 123}


def test_a_breath_that_deepens_is_told() -> None:
    frames = joined(
        breathing_at(14.0, 150.0, seed=1, depth_mm=4.0),
        breathing_at(14.0, 130.0, seed=1, depth_mm=12.0),
    )
    events = told_of("medical/respiratory_distress", frames)
    assert min(event.seconds for event in events) > 150.0
    assert {event.type for event in events} == {121, 123}
    assert next(event.value for event in events if event.type == 121) > 4.0


def test_a_breath_that_waxes_and_wanes_is_told_with_its_period() -> None:
    pauses = tuple((30.0 + 60.0 * number, 22.0) for number in range(5))
    events = told("medical/respiratory_distress", lying(300.0, pauses, seed=1))
    assert [event.value for event in events[122]] == [pytest.approx(60.0, abs=4.0)]


EXPERIMENTAL = ("cardiac_arrhythmia", "gait_analysis", "seizure_detect")


@pytest.mark.parametrize(
    "scenario",
    [empty(30.0), breathing_at(14.0, 60.0), walking(40.0)],
    ids=["empty", "breathing", "walking"],
)
@pytest.mark.parametrize("name", EXPERIMENTAL)
def test_experimental_modules_are_silent_in_rooms_of_every_day(
    name: str, scenario: Scenario
) -> None:
    faster = replace(scenario, radio=replace(LINK, rate_hz=25.0))
    assert told(f"medical/{name}", faster) == {}


def driven(name: str, seconds: float, wave: Callable[[float], float], **known: float) -> list[Told]:
    """A module that sees amplitudes which a wave turns, 25 times a second."""
    module = ModuleInstance(built(f"medical/{name}"))
    bins = np.arange(64)
    events = []
    for number in range(round(seconds * 25)):
        at = number / 25
        module.inputs = Inputs(
            time_ms=round(1000 * at),
            amplitudes=(1 + 0.3 * np.sin(0.2 * bins + wave(at))).astype(np.float32),
            **known,
        )
        heard = module.frame()
        if number % 25 == 24:
            heard += module.timer()
        events += [Told(at, *event) for event in heard]
    return events


def test_a_heart_out_of_bounds_would_be_told() -> None:
    for rate, wanted in ((120.0, 110), (42.0, 111)):
        events = driven("cardiac_arrhythmia", 40.0, lambda _: 0.0, heart_bpm=rate)
        assert [(event.type, event.value) for event in events] == [(wanted, rate)]


def test_a_rhythm_of_five_a_second_would_be_told_as_a_seizure() -> None:
    def wave(at: float) -> float:
        return math.sin(2 * math.pi * 5 * at)

    events = driven("seizure_detect", 25.0, wave, motion_energy=2.0)
    assert [event.type for event in events] == [140, 142]
    assert events[1].value == pytest.approx(5.0, abs=0.4)
    assert driven("seizure_detect", 25.0, lambda at: 3 * wave(at / 10), motion_energy=2.0) == []


def test_clear_steps_would_be_counted() -> None:
    def stepping(at: float) -> float:
        return at - math.sin(2 * math.pi * 2 * at) / (2 * math.pi * 2)

    events = driven("gait_analysis", 30.0, stepping, motion_energy=2.0)
    cadences = [event.value for event in events if event.type == 130]
    assert len(cadences) > 5
    assert cadences == [pytest.approx(120.0, abs=8.0)] * len(cadences)
