"""Modules of industry, over simulated rooms."""

from dataclasses import replace

import pytest

from sensed_rooms import COMES, LEFT, LINK, empty, lying, told, visit

APNEA = 150.0


def test_an_empty_tank_is_silent() -> None:
    assert told("industrial/confined_space", empty()) == {}


def test_who_goes_in_and_comes_out_breathing_needs_no_help() -> None:
    events = told("industrial/confined_space", visit())
    (entry,), (left,) = events[510], events[511]
    assert COMES < entry.seconds < COMES + 15
    assert left.value == pytest.approx(LEFT - COMES, abs=80.0)
    assert all(event.value == pytest.approx(14.0, abs=1.5) for event in events[512])
    assert len(events[512]) > 60
    assert 513 not in events
    assert 514 not in events


@pytest.mark.parametrize("rate", [10.0, 30.0])
def test_a_breath_that_stops_calls_for_extraction(rate: float) -> None:
    scenario = lying(apneas=((APNEA, 60.0),), seed=6)
    events = told("industrial/confined_space", replace(scenario, radio=replace(LINK, rate_hz=rate)))
    (extract,) = events[513]
    assert APNEA + 15 < extract.seconds < APNEA + 40
    assert 511 not in events, "who lies still has not left"


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_a_breath_that_goes_on_calls_nobody(seed: int) -> None:
    assert told("industrial/confined_space", lying(400.0, seed=seed)).keys() <= {510, 512}


def test_who_is_lost_without_having_moved_is_not_said_to_have_left() -> None:
    events = told("industrial/confined_space", lying(apneas=((APNEA, 120.0),), seed=2))
    assert 511 not in events
    assert len(events[514]) == 1


@pytest.mark.parametrize(
    "name", ["forklift_proximity", "clean_room", "livestock_monitor", "structural_vibration"]
)
def test_experimental_modules_are_silent_while_nobody_is_there(name: str) -> None:
    assert told(f"industrial/{name}", empty(30.0)) == {}
