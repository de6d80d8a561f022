"""Modules of medicine, over simulated rooms. What they tell are indications, not diagnoses."""

from dataclasses import replace

import pytest

from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.running import events_of
from edgeflow.sensing.modules.runtime import Inputs, ModuleInstance
from edgeflow.sensing.simulate import Breathing, Frame, Scenario, Simulation
from sensed_rooms import empty, lying, told

CHANGES = 900.0


def breathing_at(bpm: float, seconds: float) -> Scenario:
    """Somebody who lies still near the link."""
    scenario = lying(seconds, seed=5)
    person = replace(scenario.persons[0], breathing=Breathing(bpm, 9.0))
    return replace(scenario, persons=(person,))


def faster_after(seconds: float, bpm: float) -> list[Frame]:
    """Somebody whose breath quickens after a while."""
    first = list(Simulation(breathing_at(14.0, seconds)))
    later = [
        frame._replace(time_us=frame.time_us + round(seconds * 1e6))
        for frame in Simulation(breathing_at(bpm, 600.0))
    ]
    return first + later


def test_a_breath_that_quickens_is_told_and_raises_the_warning() -> None:
    wasm = build_module(SOURCES / "medical" / "vital_trend.c")
    events = list(events_of(wasm, faster_after(CHANGES, 26.0)))
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
    module = ModuleInstance(build_module(SOURCES / "medical" / "vital_trend.c"))
    events = []
    for second in range(1800):
        rate = 60.0 if second < 1200 else 115.0
        module.inputs = Inputs(time_ms=1000 * second, breathing_bpm=14.0, heart_bpm=rate)
        events += [(second, *event) for event in module.timer()]
    assert {kind for _, kind, _ in events} == {151, 152}
    assert min(second for second, *_ in events) > 1200
    assert events[-1][2] == 2.0 or events[-1][1] == 151
