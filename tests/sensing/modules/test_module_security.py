"""Modules of security, over simulated rooms."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edgeflow.sensing.modules.build import SOURCES, build_module
from edgeflow.sensing.modules.runtime import Inputs, ModuleEvent, ModuleInstance
from edgeflow.sensing.simulate import Activity, Person, Pet, Room, Scenario
from sensed_rooms import (
    COMES,
    LEFT,
    LINK,
    SITS,
    STANDS_UP,
    door,
    empty,
    lying,
    told,
    visit,
    walking,
)

COMES_IN, GOES_OUT = 100.0, 172.0


@cache
def built(name: str) -> bytes:
    return build_module(SOURCES / f"{name}.c")


def passing(speed: float = 1.0, seed: int = 1) -> Scenario:
    """Somebody who comes in after some minutes, walks about for one, and goes."""
    activities = (
        Activity("away", COMES_IN),
        Activity("enter", 12.0, speed=speed),
        Activity("walk", 60.0, speed=speed),
        Activity("leave", 12.0, speed=speed),
        Activity("away", 400.0),
    )
    return Scenario(seconds=300.0, persons=(Person(activities),), radio=LINK, seed=seed)


@pytest.mark.parametrize(("speed", "seed"), [(0.4, 1), (1.0, 2), (2.0, 3)])
def test_an_intruder_is_told_from_the_walk_until_it_is_over(speed: float, seed: int) -> None:
    events = told("security/intrusion_detect", passing(speed, seed))
    begin, end = events[200]
    assert COMES_IN < begin.seconds < COMES_IN + 30
    assert begin.value >= 0.5
    assert (end.value, end.seconds > GOES_OUT) == (0.0, True)
    assert [event.value for event in events[201]] == [1.0]
    assert 202 not in events


@pytest.mark.parametrize("scenario", [empty(300.0), door()], ids=["empty", "door"])
def test_nobody_is_no_intruder(scenario: Scenario) -> None:
    assert told("security/intrusion_detect", scenario) == {}


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_a_cat_is_a_false_source(seed: int) -> None:
    cat = Scenario(seconds=600.0, pets=(Pet(),), radio=LINK, seed=seed)
    events = told("security/intrusion_detect", cat)
    assert set(events) == {202}
    assert {event.value for event in events[202]} <= {2.0, 3.0}


def test_who_stays_loiters_until_half_a_minute_after_leaving() -> None:
    events = told("security/loitering", visit())
    (start,), (end,) = events[240], events[242]
    assert COMES + 300 < start.seconds < SITS + 300
    assert LEFT + 25 < end.seconds < LEFT + 90
    assert end.value == pytest.approx((LEFT - COMES) / 60, abs=0.5)
    assert len(events[241]) == pytest.approx((STANDS_UP - start.seconds) / 60, abs=2)


@pytest.mark.parametrize("scenario", [empty(600.0), passing(seed=3)], ids=["empty", "passing"])
def test_who_passes_by_does_not_loiter(scenario: Scenario) -> None:
    assert told("security/loitering", scenario) == {}


EXPERIMENTAL = ("panic_motion", "tailgating", "weapon_detect")


@pytest.mark.parametrize(
    "scenario",
    [empty(40.0), lying(40.0), walking(40.0)],
    ids=["empty", "lying", "walking"],
)
@pytest.mark.parametrize("name", EXPERIMENTAL)
@pytest.mark.parametrize("rate", [10.0, 45.0])
def test_experimental_modules_are_silent_where_people_walk_and_lie(
    name: str, scenario: Scenario, rate: float
) -> None:
    faster = replace(scenario, radio=replace(LINK, rate_hz=rate))
    assert told(f"security/{name}", faster) == {}


HALL = Room(size=(12.0, 8.0, 2.8))
ACROSS = replace(LINK, transmitter=(10.0, 1.0, 1.0), receiver=(10.0, 7.0, 1.0))


def in_hall(*activities: Activity) -> Scenario:
    """Somebody in a hall whose one end a link guards."""
    return Scenario(seconds=80.0, persons=(Person(activities),), room=HALL, radio=ACROSS, seed=3)


def test_who_walks_to_the_link_breaches_the_perimeter() -> None:
    events = told(
        "security/perimeter_breach",
        in_hall(Activity("stand", 20.0, (1.0, 4.0)), Activity("stand", 60.0, (9.8, 4.0))),
    )
    assert [event.value for event in events[210]] == [0.0]
    assert 24 < events[210][0].seconds < 34
    assert 24 < events[211][0].seconds < 34


def test_who_walks_far_from_the_link_does_not() -> None:
    places = [(1.0 + 2 * (turn % 2), 2.0 + 4 * (turn % 2)) for turn in range(16)]
    events = told(
        "security/perimeter_breach", in_hall(*(Activity("stand", 5.0, place) for place in places))
    )
    assert 210 not in events


@pytest.mark.parametrize("scenario", [empty(100.0), lying(100.0)], ids=["empty", "lying"])
def test_no_breach_is_told_of_who_lies_still(scenario: Scenario) -> None:
    assert told("security/perimeter_breach", scenario) == {}


def passages(bursts: tuple[float, ...]) -> list[ModuleEvent]:
    """What is told of bursts of change a second long each, over noise."""
    module = ModuleInstance(built("security/tailgating"))
    rng = np.random.default_rng(5)
    events = []
    for number in range(500):
        at = number / 20
        turn = sum(3.0 * min(max(at - start, 0.0), 1.0) for start in bursts)
        amplitudes = 1 + 0.3 * np.sin(0.2 * np.arange(64) + turn) + rng.normal(0, 0.01, 64)
        module.inputs = Inputs(time_ms=50 * number, amplitudes=amplitudes.astype(np.float32))
        events += module.frame()
    return events


def test_clear_passages_are_counted() -> None:
    assert [event.type for event in passages((15.0,))] == [231]
    assert next(event[:] for event in passages((15.0, 17.0))) == (230, 2.0)
