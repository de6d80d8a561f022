import time

import numpy as np
import pytest
from agent_parts import Bench
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.pipelines.agents.tracks import MAX_TRACKS, Tracker
from edgeflow.pipelines.agents.zone import PersonInZone

ZONES = {"frontdoor": [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]}
SIZE = [100, 200]
INSIDE, OUTSIDE = (140, 20, 160, 80), (20, 20, 40, 80)


def person(box=INSIDE, label="person", confidence=0.8):
    return {"label": label, "class_id": 0, "confidence": confidence, "bbox": list(box)}


def seen(*people):
    return {"detections": list(people), "image_hw": SIZE}


def guard(**options) -> Bench:
    return Bench(PersonInZone, ZONES, zone="frontdoor", **options)


def test_a_person_inside_fires_once_with_zone_count_and_boxes():
    bench = guard(dispatcher="mqtt_actuators", target="actuators/frontdoor")
    (action,) = bench.send(seen(person(), person(OUTSIDE)))
    assert (action.dispatcher, action.target) == ("mqtt_actuators", "actuators/frontdoor")
    assert action.payload == {
        "event": "enter",
        "zone": "frontdoor",
        "count": 1,
        "sensor": "s1",
        "time": 1_700_000_000.0,
        "detections": [{**person(), "track": 1, "dwell_s": 0.0}],
    }
    assert action.metadata["text"] == "1 x person in frontdoor (s1)"
    assert not bench.fires(seen(person()), after=0.1)


def test_silence():
    for payload in (
        seen(),
        seen(person(OUTSIDE)),
        seen(person(label="dog")),
        seen(person(label=0)),
        {},
        {"detections": None},
        {"detections": ["x", {"label": "person"}, {"label": "person", "bbox": [1, 2, 3]}]},
        {"detections": [person((float("nan"), 0, 1, 1))]},
        {"classes": []},
    ):
        assert not guard().fires(payload), payload


def test_a_zone_without_geometry_is_the_whole_picture():
    bench = Bench(PersonInZone, {}, zone="frontdoor")
    assert bench.fires({"detections": [person(OUTSIDE)]})
    assert Bench(PersonInZone).fires({"detections": [person()]})


def test_one_detection_as_a_message_and_zones_of_upstream_nodes():
    assert Bench(PersonInZone).fires({"label": "person", "bbox": [1, 2, 3, 4]})
    assert guard().fires({"detections": [{**person(OUTSIDE), "zone": "frontdoor"}]}, image_hw=SIZE)
    assert not guard().fires({"detections": [{**person(), "zone": "yard"}]}, image_hw=SIZE)


def test_the_size_of_the_picture_comes_from_where_it_is_known():
    only = {"detections": [person()]}
    assert guard().fires(only, image_hw=SIZE)
    assert guard().fires(only, shape=[100, 200, 3])
    assert guard().fires(only, content=np.zeros((100, 200, 3), np.uint8))
    with pytest.raises(PipelineError, match="size of the picture"):
        guard().send(only)
    with pytest.raises(PipelineError):
        guard().send({**only, "image_hw": [0, "x"]})


def test_the_anchor_decides():
    feet_outside = (80, 20, 110, 80)
    assert not guard().fires(seen(person(feet_outside)))
    assert guard(anchor="any").fires(seen(person(feet_outside)))
    tall = {"upper": [(0.0, 0.0), (1.0, 0.0), (1.0, 0.6), (0.0, 0.6)]}
    for anchor, want in (("centre", True), ("bottom_centre", False)):
        bench = Bench(PersonInZone, tall, zone="upper", anchor=anchor)
        assert bench.fires(seen(person())) is want


def test_labels_and_confidence():
    bench = guard(labels=["dog", "cat"], min_confidence=0.5)
    assert not bench.fires(seen(person(label="dog", confidence=0.49)))
    assert bench.fires(seen(person(label="cat", confidence=0.5)))
    assert not bench.fires(seen(person()), after=10)


def test_dwell_is_counted_per_person():
    bench = guard(dwell_s=3)
    other = (165, 20, 185, 80)
    assert not bench.fires(seen(person()))
    assert not bench.fires(seen(person(), person(other)), after=1.5)
    (action,) = bench.send(seen(person(), person(other)), after=1.5)
    assert action.payload["count"] == 1
    assert action.payload["detections"][0]["dwell_s"] == 3
    (action,) = bench.send(seen(person(), person(other)), after=1.5)
    assert action.payload["count"] == 2
    assert not bench.fires(seen(person(), person(other)), after=1.5)


def test_passing_through_does_not_dwell():
    bench = guard(dwell_s=3, exit_s=1)
    for left in range(100, 200, 5):
        assert not bench.fires(seen(person((left, 20, left + 20, 80))), after=0.1)
    assert not bench.fires(seen(), after=2)
    assert not bench.fires(seen(person()), after=2)


def test_a_short_gap_does_not_end_the_stay_and_a_long_one_does():
    bench = guard(exit_s=2)
    assert bench.fires(seen(person()))
    assert not bench.fires(seen(), after=1.5)
    assert not bench.fires(seen(person()), after=0.5)
    assert not bench.fires(seen(), after=2.5)
    assert bench.fires(seen(person()), after=0.1)


def test_who_steps_out_and_in_again_is_told_again():
    bench = guard(exit_s=1)
    steps = [(140, 1), (110, 0), (80, 0), (60, 0), (60, 0), (80, 1), (110, 0)]
    for left, want in steps:
        assert bench.fires(seen(person((left, 20, left + 60, 80))), after=0.7) == bool(want), left


def test_cooldown_and_repetition():
    bench = guard(cooldown_s=10)
    other = (165, 20, 185, 80)
    assert bench.fires(seen(person()))
    assert not bench.fires(seen(person(), person(other)), after=1)
    assert bench.fires(seen(person(), person(other)), after=1, sensor="s2")
    for _ in range(7):
        assert not bench.fires(seen(person(), person(other)), after=1)
    assert bench.fires(seen(person(), person(other)), after=1.0)
    bench = guard(repeat_s=5)
    fired = [bench.fires(seen(person()), after=1) for _ in range(12)]
    assert [i for i, each in enumerate(fired) if each] == [0, 5, 10]


def test_a_crowd():
    bench = guard(min_count=2)
    other = (165, 20, 185, 80)
    assert not bench.fires(seen(person()))
    (action,) = bench.send(seen(person(), person(other)), after=0.5)
    assert action.payload["count"] == 2


def test_leaving_is_told_where_it_is_wanted():
    bench = guard(events=["enter", "exit"], exit_s=1)
    assert bench.fires(seen(person()))
    assert not bench.fires(seen(person()), after=0.9)
    assert not bench.fires(seen(), after=0.9)
    (action,) = bench.send(seen(), after=0.9)
    assert action.payload["event"] == "exit"
    assert action.payload["stayed_s"] == pytest.approx(2.7)
    assert not bench.fires(seen(), after=1)
    quiet = guard(events=["exit"], exit_s=1)
    assert not quiet.fires(seen(person()))
    assert quiet.fires(seen(), after=2)


boxes = st.lists(
    st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(1, 40), st.integers(1, 40)),
    max_size=6,
)


@given(st.lists(st.tuples(boxes, st.integers(0, 3)), max_size=12))
def test_tracks_are_unique_and_nobody_dwells_longer_than_the_test_runs(pictures):
    bench = guard(dwell_s=2, exit_s=2)
    total = 0
    for found, pause in pictures:
        total += pause
        people = [person((100 + x, y, 100 + x + w, y + h)) for x, y, w, h in found]
        for action in bench.send(seen(*people), after=pause):
            numbers = [each["track"] for each in action.payload["detections"]]
            assert len(set(numbers)) == len(numbers) == action.payload["count"]
            assert all(2 <= each["dwell_s"] <= total for each in action.payload["detections"])


def test_tracks_are_bounded():
    tracker = Tracker(forget_s=1e9)
    for step in range(3):
        many = [({}, (i * 10.0, step * 10.0, i * 10.0 + 5, step * 10.0 + 5)) for i in range(300)]
        assert len(tracker.follow(many, float(step))) == MAX_TRACKS
        assert len(tracker.tracks) == MAX_TRACKS


@given(st.permutations(range(5)))
def test_who_moves_a_little_keeps_the_track(order):
    tracker = Tracker(forget_s=5)
    where = [(i * 50.0, 0.0, i * 50.0 + 30, 60.0) for i in range(5)]
    first = tracker.follow([({}, box) for box in where], 0.0)
    numbers = [track.number for track in first]
    moved = [({}, (x1 + 8, y1 + 3, x2 + 8, y2 + 3)) for x1, y1, x2, y2 in where]
    second = tracker.follow([moved[i] for i in order], 1.0)
    assert [track.number for track in second] == [numbers[i] for i in order]


def test_a_crowd_is_followed_without_holding_the_loop_up():
    boxes = [(float(n), float(n), 500.0 + n, 500.0 + n) for n in range(MAX_TRACKS)]
    crowd = [({"label": "person", "n": n}, box) for n, box in enumerate(boxes)]
    tracker = Tracker(forget_s=5)
    numbers = [track.number for track in tracker.follow(crowd, 0.0)]
    began = time.process_time()
    for step in range(1, 11):
        crowd.reverse()
        numbers.reverse()
        assert [track.number for track in tracker.follow(crowd, step / 10)] == numbers
    assert time.process_time() - began < 1.0
