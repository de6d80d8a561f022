"""Modules of shops, over simulated rooms."""

import pytest

from sensed_rooms import LEFT, SITS, empty, told, visit, walking

MODULES = ("table_turnover", "shelf_engagement")


@pytest.mark.parametrize("name", MODULES)
def test_an_empty_room_is_silent(name: str) -> None:
    assert told(f"retail/{name}", empty()) == {}


@pytest.mark.parametrize("name", MODULES)
def test_who_walks_about_neither_sits_nor_stops(name: str) -> None:
    assert told(f"retail/{name}", walking()) == {}


def test_a_party_sits_leaves_and_frees_the_table() -> None:
    events = told("retail/table_turnover", visit())
    (seated,), (vacated,), (free,) = events[430], events[431], events[432]
    assert SITS + 55 < seated.seconds < SITS + 120
    assert vacated.value == pytest.approx((LEFT - SITS) / 60, abs=2.0)
    assert LEFT + 30 < vacated.seconds < free.seconds < LEFT + 240
    assert 433 not in events, "an hour has not passed"


@pytest.mark.parametrize("name", ["queue_length", "dwell_heatmap", "customer_flow"])
def test_experimental_modules_are_silent_while_nobody_is_there(name: str) -> None:
    assert told(f"retail/{name}", empty(30.0)) == {}
