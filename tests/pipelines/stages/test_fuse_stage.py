"""Results of several senses become one message of a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.fuse import Sense, TimeFusion, by_time

SENSES = {
    "camera": Sense(pipeline="people", keys=["people"], max_age_s=2),
    "csi": Sense(pipeline="presence", max_age_s=3),
}


def said(pipeline, at, **payload):
    metadata = {"pipeline": pipeline}
    return EdgeMessage(sensor_id=f"s:{pipeline}", payload=payload, timestamp=at, metadata=metadata)


def fused(stage, message):
    made = stage(message, message.payload)
    return None if made is None else made.message


def test_a_moment_has_of_each_sense_what_was_newest_then():
    stage = by_time(senses=SENSES, name="room", every_s=1.0, lateness_s=0.5)
    assert fused(stage, said("people", 100.0, people=1, extra="x")) is None
    assert fused(stage, said("presence", 100.2, presence=True)) is None
    made = fused(stage, said("people", 101.6, people=0))
    assert made.sensor_id == "room"
    assert made.timestamp == 101.0
    assert made.payload == {
        "time": 101.0,
        "camera": {"people": 1},
        "csi": {"presence": True},
        "ages": {"camera": 1.0, "csi": 0.8},
        "missing": [],
    }


def test_what_is_too_old_is_missing_and_nothing_at_all_is_no_message():
    stage = by_time(senses=SENSES, every_s=1.0, lateness_s=0.0)
    fused(stage, said("presence", 10.0, presence=True))
    made = fused(stage, said("people", 20.0, people=2))
    assert "csi" not in made.payload
    assert made.payload["missing"] == ["csi"]
    assert fused(stage, said("other", 30.0, people=2)) is None


def test_a_sample_that_comes_late_belongs_to_its_own_time():
    fusion = TimeFusion(SENSES)
    fusion.add("camera", 10.0, {"people": 1})
    fusion.add("camera", 9.0, {"people": 5})
    assert fusion.at(10.0)["camera"] == {"people": 1}
    assert fusion.at(9.5)["camera"] == {"people": 5}
    assert fusion.at(8.0)["missing"] == ["camera", "csi"]


def test_a_clock_that_is_ahead_does_not_stop_the_others():
    stage = by_time(senses=SENSES, every_s=1.0, lateness_s=0.0)
    stage._now = lambda: 50.0
    fused(stage, said("people", 9_000_000.0, people=1))
    stage._now = lambda: 51.5
    made = fused(stage, said("presence", 51.0, presence=False))
    assert made.payload["csi"] == {"presence": False}
    assert made.payload["camera"] == {"people": 1}


def test_a_clock_that_is_set_back_does_not_stop_them():
    stage = by_time(senses=SENSES, every_s=1.0, lateness_s=0.0)
    stage._now = lambda: 5000.0
    assert fused(stage, said("people", 5000.0, people=1)).timestamp == 5000.0
    stage._now = lambda: 4998.0
    assert fused(stage, said("people", 4998.0, people=1)) is None
    stage._now = lambda: 1400.0
    made = fused(stage, said("people", 1400.0, people=2))
    assert made.timestamp == 1400.0
    assert made.payload["camera"] == {"people": 2}


def test_what_has_no_named_values_and_a_reserved_name_are_refused():
    stage = by_time(senses=SENSES)
    with pytest.raises(PipelineError):
        stage(said("people", 1.0), [1, 2])
    with pytest.raises(PipelineError):
        by_time(senses={"time": Sense()})


@given(
    st.lists(
        st.tuples(st.sampled_from(["people", "presence", "x"]), st.floats(0, 1e4)), max_size=60
    )
)
def test_whatever_comes_moments_go_on_and_nothing_is_newer_than_its_moment(samples):
    stage = by_time(senses=SENSES, every_s=0.5, lateness_s=0.25)
    last = -1.0
    for pipeline, at in samples:
        made = fused(stage, said(pipeline, at, people=1, when=at))
        if made is None:
            continue
        assert made.timestamp > last
        last = made.timestamp
        known = made.payload.get("csi")
        assert known is None or known["when"] <= made.timestamp
        assert all(age >= 0 for age in made.payload["ages"].values())


def test_what_no_later_moment_needs_is_forgotten():
    fusion = TimeFusion(SENSES)
    for number in range(10):
        fusion.add("csi", float(number), {"n": number})
    fusion.forget(6.5)
    assert [sample[0] for sample in fusion._samples["csi"]] == [6.0, 7.0, 8.0, 9.0]
    assert fusion.at(6.5)["csi"] == {"n": 6}
    assert fusion.at(9.0)["csi"] == {"n": 9}


def test_memory_is_bounded():
    fusion = TimeFusion(SENSES, kept=10)
    for number in range(1000):
        fusion.add("csi", float(number), {"n": number})
    assert len(fusion._samples["csi"]) == 10
