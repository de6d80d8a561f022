"""Simulated rooms: balances that hold, windows that matter, days that pass in any steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.climate.simulate.homes import room_of
from edgeflow.climate.simulate.outside import Weather, vapour_density
from edgeflow.climate.simulate.rooms import Room, RoomOptions
from edgeflow.protocols.sound import volume_dbfs

DAY = 86_400.0
EMPTY = RoomOptions(people=0, heating=0.0, sun=0.0)


def test_vapour_density_is_that_of_steam_tables() -> None:
    # Saturated steam: 4.85 g/m3 at 0, 17.3 at 20, 51.1 at 40 degrees.
    for temperature, density in ((0.0, 4.85), (20.0, 17.3), (40.0, 51.1)):
        assert vapour_density(temperature) == pytest.approx(density, rel=0.01)


def test_an_empty_room_becomes_as_it_is_outside() -> None:
    still = Weather(mean=10.0, swing=0.0, unsteady=0.0, vapour=6.0)
    room = Room(EMPTY, still, temperature=25.0, vapour=15.0)
    room.advance(10 * DAY, 100.0)
    assert room.temperature == pytest.approx(10.0, abs=0.01)
    assert room.vapour == pytest.approx(6.0, abs=0.01)


def test_a_heater_gives_what_walls_and_air_lose() -> None:
    still = Weather(mean=0.0, swing=0.0, unsteady=0.0)
    heated = RoomOptions(people=0, sun=0.0, heating=500.0, heated=90.0, loss=25.0, volume=50.0)
    room = Room(heated, still, temperature=5.0)
    room.advance(20 * DAY, 0.0)
    # 25 W/K through walls, and 0.3 changes of 50 m3 an hour at 1200 J/(m3 K): 5 W/K.
    assert room.temperature == pytest.approx(500.0 / 30.0, abs=0.01)


@pytest.mark.parametrize("hour", [14.0, 20.0])
def test_an_open_window_changes_all_three(hour: float) -> None:
    pair = [
        Room(time=hour * 3600.0, temperature=24.0, vapour=14.0, weather=Weather(mean=10.0))
        for _ in range(2)
    ]
    for room, window in zip(pair, (0.0, 100.0), strict=True):
        room.advance(3600.0, window)
    closed, opened = pair
    assert opened.temperature < closed.temperature - 0.5
    assert opened.vapour < closed.vapour - 1.0
    assert opened.volume_dbfs > closed.volume_dbfs + 3.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0.01, 900.0), min_size=1, max_size=30))
def test_steps_of_any_length_come_to_the_same(seed: int, steps: list[float]) -> None:
    one, many = room_of(seed, 0), room_of(seed, 0)
    for step in steps:
        many.advance(step, 40.0)
    one.advance(sum(steps), 40.0)
    assert many.time == pytest.approx(one.time)
    assert many.temperature == pytest.approx(one.temperature, abs=0.15)
    assert many.vapour == pytest.approx(one.vapour, abs=0.3)


def test_days_stay_within_what_rooms_are() -> None:
    for number in range(5):
        room = room_of(3, number)
        for quarter in range(5 * 96):
            room.advance(900.0, 100.0 * (quarter % 3 == 0))
            features = room.features
            assert 5.0 < features.temperature < 40.0
            assert 5.0 < features.humidity <= 100.0
            assert -80.0 <= features.sound_volume <= 0.0


def test_the_same_seed_is_the_same_day() -> None:
    first, second = Weather(seed=4), Weather(seed=4)
    later = first.at(3.4 * DAY)
    second.at(0.0)
    assert second.at(3.4 * DAY) == later
    assert Weather(seed=5).at(3.4 * DAY) != later


def test_sound_is_as_loud_as_the_room() -> None:
    room = Room(time=18 * 3600.0)
    sound = room.sound(np.random.default_rng(1), 32_000)
    assert volume_dbfs(sound) == pytest.approx(room.volume_dbfs, abs=0.2)
