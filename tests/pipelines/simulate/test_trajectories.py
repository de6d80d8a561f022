import json
import math
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError
from edgeflow.pipelines.simulate.pictures import Camera
from edgeflow.pipelines.simulate.trajectories import Environment, Room, Trigger


def test_the_environment_follows_its_formulas() -> None:
    sensor = Environment(Random(1))
    for step in range(200):
        got, t = json.loads(sensor.next(1.0, 0.0)), 0.2 * step
        assert list(got) == ["co2_ppm", "temperature_c", "humidity_pct"]
        assert abs(got["co2_ppm"] - 500 - 300 * math.sin(t)) <= 20.01
        assert abs(got["temperature_c"] - 22 - 1.5 * math.sin(t / 5)) <= 0.51
        assert abs(got["humidity_pct"] - 45) <= 5.01
    assert json.loads(Environment(Random(1), stamped=True).next(1, 12.5))["timestamp"] == 12.5


def test_a_trigger_is_a_person_in_a_box() -> None:
    got = json.loads(Trigger(Random(1)).next(1.0, 0.0))
    assert got["label"] == "person"
    x1, y1, x2, y2 = got["bbox"]
    assert 0 <= x1 < x2 <= 640
    assert 0 <= y1 < y2 <= 480
    assert all(isinstance(value, int) for value in got["bbox"])


def test_the_same_seed_gives_the_same_day() -> None:
    for kind in (Environment, Trigger, Room, Camera):
        one, two = kind(Random(7)), kind(Random(7))
        assert [one.next(1, 2) for _ in range(20)] == [two.next(1, 2) for _ in range(20)]


def test_people_raise_the_co2_of_a_room_and_the_door_opens_for_them() -> None:
    room, open_doors, last = Room(Random(3), people=5), 0, 0
    for _ in range(600):
        got = json.loads(room.next(1.0, 0.0))
        if got["occupancy"] != last:
            open_doors += got["door_open"]
            last = got["occupancy"]
    assert open_doors > 5
    assert room.co2 > Room.OUTSIDE_PPM + 100
    empty = Room(Random(3), people=0)
    for _ in range(100):
        empty.next(1.0, 0.0)
    assert empty.co2 == pytest.approx(Room.OUTSIDE_PPM)
    assert empty.occupancy == 0


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 40),
    st.floats(0.01, 3600),
    st.floats(1, 600),
)
def test_a_room_stays_physical(seed: int, people: int, interval: float, speed: float) -> None:
    room = Room(Random(seed), people=people, speed=speed)
    for _ in range(3):
        room.next(interval, 0.0)
        assert 0 <= room.occupancy <= people
        assert Room.OUTSIDE_PPM - 1 <= room.co2 < 20_000
        assert 10 < room.temperature < 120


def _decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_a_camera_draws_shows_a_still_or_plays_a_clip(tmp_path: Path) -> None:
    drawn = Camera(Random(1), width=320)
    first, second = _decoded(drawn.next(1, 0)), _decoded(drawn.next(1, 0))
    assert first.shape == (240, 320, 3)
    assert np.abs(first.astype(int) - second).max() > 50  # it moves

    still = tmp_path / "still.png"
    cv2.imwrite(str(still), np.full((100, 200, 3), (10, 200, 30), np.uint8))
    shown = _decoded(Camera(Random(1), source=still, width=100).next(1, 0))
    assert shown.shape == (50, 100, 3)
    assert abs(int(shown[25, 50, 1]) - 200) < 6

    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in (0, 100, 200):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    camera = Camera(Random(1), source=clip, width=64)
    levels = [round(float(_decoded(camera.next(1, 0)).mean()), -2) for _ in range(6)]
    assert levels == [0, 100, 200, 0, 100, 200]


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(b"not a picture")
    for source in (wrong, wrong.rename(tmp_path / "wrong.mp4"), tmp_path / "absent"):
        with pytest.raises(ConfigError):
            Camera(Random(1), source=source)
