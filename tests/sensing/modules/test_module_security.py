"""Modules of security, over simulated rooms."""

import pytest

from edgeflow.sensing.simulate import Activity, Person, Pet, Scenario
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


@pytest.mark.parametrize(
    "scenario", [empty(60.0), lying(60.0), walking()], ids=["empty", "lying", "walking"]
)
def test_no_weapon_is_seen_where_people_walk_and_lie(scenario: Scenario) -> None:
    assert told("security/weapon_detect", scenario) == {}
