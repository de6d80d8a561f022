"""Modules of buildings, over simulated rooms."""

import pytest

from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.runtime import ModuleInstance
from sensed_rooms import COMES, LEFT, SITS, STANDS_UP, empty, stay, told, visit, walking

MODULES = ("occupancy_zones", "hvac_presence", "lighting_zones", "meeting_room", "energy_audit")


@pytest.mark.parametrize("name", [*MODULES, "elevator_count"])
def test_an_empty_room_is_silent(name: str) -> None:
    assert told(f"building/{name}", empty(240.0)) == {}


def test_occupancy_follows_who_is_there() -> None:
    events = told("building/occupancy_zones", walking(90.0))
    assert [event.value for event in events[300]] == [0.0]
    assert [event.value for event in events[302]] == [1.0]
    assert 301 not in events


def test_heating_waits_ten_seconds_and_five_minutes() -> None:
    events = told("building/hvac_presence", visit())
    on, off = events[310]
    assert (on.value, off.value) == (1.0, 0.0)
    assert COMES + 5 < on.seconds < COMES + 25
    assert LEFT + 290 < off.seconds < LEFT + 330
    countdown = [event.value for event in events[312] if event.seconds > LEFT]
    assert countdown == sorted(countdown, reverse=True)
    assert len(countdown) > 5
    assert [event.value for event in events[311]][:2] == [1.0, 0.0]


def test_light_is_dimmed_while_somebody_sits_and_off_when_they_left() -> None:
    events = told("building/lighting_zones", visit())
    came, stood_up = (event.seconds for event in events[320])
    (dimmed,), (off,) = events[321], events[322]
    assert COMES < came < COMES + 15
    assert SITS + 580 < dimmed.seconds < SITS + 640
    assert STANDS_UP < stood_up < STANDS_UP + 15
    assert LEFT + 100 < off.seconds < LEFT + 150


def test_one_person_is_no_meeting() -> None:
    events = told("building/meeting_room", visit())
    assert set(events) == {343}, "the room was left, and nothing else happened"


def test_an_hour_is_used_as_long_as_somebody_was_there() -> None:
    module = ModuleInstance(build_module(SOURCES / "building" / "energy_audit.c"))
    heard = []
    for second in range(0, 26 * 3600, 2):
        hour = second // 3600
        module.inputs.time_ms = second * 1000
        module.inputs.presence = hour in {9, 10} and second % 3600 < 1800
        heard += [(event.type, event.value, hour) for event in module.timer()]
    used = [value for kind, value, hour in heard if kind == 352]
    assert used[9] == pytest.approx(50.0, abs=3.0)
    assert used[8] == pytest.approx(0.0, abs=0.1)
    (schedule,) = (int(value) for kind, value, _ in heard if kind == 350)
    assert schedule == 1 << 9 | 1 << 10


def test_energy_audit_measures_a_simulated_hour() -> None:
    (event,) = told("building/energy_audit", stay(3660.0))[352]
    assert event.value == pytest.approx(50.0, abs=6.0)


def test_cabin_counts_no_one_in_an_empty_room_and_somebody_who_walks() -> None:
    assert told("building/elevator_count", walking(60.0)).keys() <= {330, 331, 332}
