import math
from pathlib import Path

import pytest

from edgeflow._native.csi import CsiOptions, CsiProcessor
from edgeflow.sensing.evaluation_falls import (
    Alarms,
    Link,
    alarms,
    counted,
    fall_of,
    hours_of,
    main,
    most,
    table,
)
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.simulate import Activity, Person, Radio, Scenario

DATA = Path(__file__).parents[1] / "data" / "csi"
EAGER = CsiOptions(fall_threshold=8.0)
NEVER = CsiOptions(fall_threshold=1000.0)
CLEAR = (0, 2, 3, 8, 9)
"""Rooms whose link shows the fall."""


def falls_told(options, rate_hz=50.0, seeds=CLEAR):
    """How many of these falls are told, and alarms besides."""
    hits = others = 0
    for seed in seeds:
        told, simulation = alarms(fall_of(seed, Link(rate_hz)), options)
        ((_, fall),) = simulation.falls
        right = [at for at in told if fall.start < at < fall.end + 1]
        hits += bool(right)
        others += len(told) - len(right)
    return hits, others


class TestSimulated:
    def test_a_low_threshold_tells_clear_falls_and_a_high_one_none(self):
        hits, _ = falls_told(EAGER)
        assert hits >= 4
        assert falls_told(NEVER, seeds=range(2)) == (0, 0)

    def test_too_few_frames_tell_nothing(self):
        assert falls_told(EAGER, 28.5, CLEAR[:3]) == (0, 0)
        assert falls_told(EAGER, 20.0, CLEAR[:3]) == (0, 0)

    def test_tier_1_tells_nothing(self):
        assert falls_told(CsiOptions(tier=1, fall_threshold=8.0), seeds=CLEAR[:1]) == (0, 0)

    def test_who_walks_and_stops_or_sits_did_not_fall(self):
        told = []
        for seed in range(4):
            activities = (
                Activity("walk", 15),
                Activity("stand", 20),
                Activity("walk", 15),
                Activity("sit", 25),
            )
            person = Person(activities, fidgets_per_min=1.0)
            scenario = Scenario(75.0, seed, radio=Radio(rate_hz=50.0), persons=(person,))
            told += alarms(scenario)[0]
        assert told == []


@pytest.mark.parametrize("path", sorted(DATA.glob("*.csv*")), ids=lambda path: path.stem)
def test_nobody_falls_in_the_recordings(path):
    processor, last = CsiProcessor(), 0
    for frame in Recording(path):
        if isinstance(frame, CsiFrame):
            processor.push(frame.time_us, frame.payload, source=frame.source)
            last = frame.time_us
    assert last > 0
    assert processor.vitals(last).fall_us == 0


class TestMountings:
    def test_antennas_under_the_ceiling_are_above_heads_and_near_each_other(self):
        for seed in range(20):
            room, radio = (made := hours_of(seed, Link(100.0, "ceiling"), 60.0)).room, made.radio
            ends = radio.transmitter, radio.receiver
            assert all(end[2] == pytest.approx(room.size[2] - 0.1) for end in ends)
            assert all(end[2] > 2.2 for end in ends)
            assert 1.4 < math.dist(*ends) < 3.1

    def test_antennas_anywhere_are_lower_and_two_metres_apart(self):
        for seed in range(20):
            radio = fall_of(seed, Link(50.0)).radio
            assert max(radio.transmitter[2], radio.receiver[2]) <= 1.8
            assert math.dist(radio.transmitter, radio.receiver) > 2


class TestCounting:
    def test_the_bound_of_nothing_seen_is_three(self):
        assert most(0) == pytest.approx(2.996, abs=0.01)
        assert most(3) == pytest.approx(7.754, abs=0.01)

    def test_an_hour_is_counted_by_what_was_done(self):
        found = counted(Link(50.0), [], [1], seconds=120.0)
        assert found.hours == pytest.approx(1 / 30)
        assert set(found.false) <= {"walk", "stand", "sit", "lie", "squat", "bend"} | {
            "enter",
            "leave",
            "away",
        }

    def test_a_table_has_a_column_for_each_rate(self):
        found = Alarms(hours=24.0)
        found.falls["walk"], found.told["walk"], found.false["sit"] = 10, 4, 2
        text = table({Link(50.0): found, Link(100.0, "ceiling"): Alarms()})
        assert "anywhere, 50 Hz | ceiling, 100 Hz" in text
        assert "4/10 (17%-69%)" in text
        assert "2.00, 6.30" in text

    def test_the_table_is_put_between_its_marks(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("before\n<!-- falls -->\nstale\n<!-- falls end -->\nafter\n")
        main(["--page", str(page), "--falls", "0", "--hours", "0", "--rates", "50"])
        text = page.read_text()
        assert text.startswith("before\n<!-- falls -->\n|")
        assert "stale" not in text
        assert text.endswith("<!-- falls end -->\nafter\n")
