import pytest
from agent_parts import Bench
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeflow.pipelines.agents import values
from edgeflow.pipelines.agents.threshold import Threshold


def alert(**options) -> Bench:
    return Bench(Threshold, metric="co2_ppm", threshold=800, **options)


def test_it_fires_at_the_threshold_and_above_and_is_silent_below():
    bench = alert(dispatcher="log", target="t")
    assert not bench.fires({"co2_ppm": 799.9})
    (action,) = bench.send({"co2_ppm": 800})
    assert (action.dispatcher, action.target) == ("log", "t")
    assert action.payload == {
        "event": "alarm",
        "metric": "co2_ppm",
        "value": 800.0,
        "threshold": 800.0,
        "direction": "above",
        "sensor": "s1",
        "time": 1_700_000_000.0,
    }
    assert action.metadata["text"] == "co2_ppm 800 is at or above 800 (s1)"
    assert bench.fires({"co2_ppm": 801})
    assert not bench.fires({"co2_ppm": 700})


def test_below():
    bench = alert(direction="below")
    assert [bench.fires({"co2_ppm": v}) for v in (801, 800, 10)] == [False, True, True]


@pytest.mark.parametrize("value", [None, True, "900", float("nan"), [900], {}, 10**400])
def test_what_is_no_number_is_ignored(value):
    assert not alert().fires({"co2_ppm": value})
    assert not alert().fires({"co2": 900})


def test_paths_lead_into_results():
    result = {"classes": [{"confidence": 0.9}], "a.b": 1, "n": {"x": 2}, "list": [1, 2, 3]}
    for path, want in (
        ("classes.0.confidence", 0.9),
        ("a.b", 1),
        ("n.x", 2),
        ("list.#", 3),
        ("list.7", None),
        ("classes.x", None),
        ("n.x.y", None),
        ("list.*", None),
    ):
        assert values.number_at(result, path) == want
    assert values.find(result, "classes.*.confidence") == [0.9]


def test_hysteresis_keeps_the_alarm_up():
    bench = alert(hysteresis=50, once=True, tell_end=True)
    events = [
        [action.payload["event"] for action in bench.send({"co2_ppm": value})]
        for value in (810, 760, 820, 750, 749, 760, 800)
    ]
    assert events == [["alarm"], [], [], [], ["cleared"], [], ["alarm"]]


def test_a_value_within_the_hysteresis_keeps_the_alarm_but_does_not_fire():
    bench = alert(hysteresis=50)
    assert [bench.fires({"co2_ppm": v}) for v in (810, 790, 810)] == [True, False, True]


def test_the_limit_must_be_reached_for_the_hold_time():
    bench = alert(hold_s=5)
    assert not bench.fires({"co2_ppm": 900})
    assert not bench.fires({"co2_ppm": 900}, after=4.9)
    assert bench.fires({"co2_ppm": 900}, after=0.2)
    assert bench.fires({"co2_ppm": 900}, after=0.2)
    assert not bench.fires({"co2_ppm": 700}, after=0.2)
    assert not bench.fires({"co2_ppm": 900}, after=10)


def test_cooldown_spaces_actions_per_sensor():
    bench = alert(cooldown_s=10)
    assert bench.fires({"co2_ppm": 900})
    assert not bench.fires({"co2_ppm": 900}, after=9)
    assert bench.fires({"co2_ppm": 900}, sensor="s2")
    assert bench.fires({"co2_ppm": 900}, after=1)


def test_the_end_of_an_alarm_that_was_not_told_is_not_told_either():
    bench = alert(hold_s=5, tell_end=True)
    assert not bench.fires({"co2_ppm": 900})
    assert not bench.fires({"co2_ppm": 100}, after=1)


def test_states_are_bounded():
    made = values.PerSensor(list, limit=3)
    for name in "abcadea":
        made[name].append(1)
    assert [name for name, _ in made.items()] == ["d", "e", "a"]
    assert len(made["a"]) == 3


def test_options_are_checked():
    for wrong in (
        {"threshold": float("nan")},
        {"hold_s": -1},
        {"direction": "up"},
        {"metrik": "x"},
    ):
        with pytest.raises(ValidationError):
            Threshold.Options(**wrong)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=40),
    st.integers(0, 5),
    st.integers(0, 6),
)
def test_alarms_follow_their_definition(steps, hysteresis, hold):
    """Once per alarm: it begins after ``hold`` at 10 or more, and ends below 10 - hysteresis."""
    bench = Bench(
        Threshold, threshold=10, hysteresis=hysteresis, hold_s=hold, once=True, tell_end=True
    )
    alarm, since, now = False, None, 0
    for value, pause in steps:
        now += pause
        got = [a.payload["event"] for a in bench.send({"value": value}, after=pause)]
        if value >= 10:
            since = now if since is None else since
            begins = not alarm and now - since >= hold
            assert got == (["alarm"] if begins else [])
            alarm = alarm or begins
        elif alarm and value >= 10 - hysteresis:
            assert got == []
        else:
            assert got == (["cleared"] if alarm else [])
            alarm, since = False, None
