from datetime import UTC, datetime

import pytest
from agent_parts import Bench
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgeflow.pipelines.agents.conditions import During
from edgeflow.pipelines.agents.rules import Rules, _is_during

CO2 = {"sensor": "floor1/*", "metric": "co2", "at_least": 800}
PERSON = {"sensor": "cam", "metric": "detections.*.label", "contains": "person"}
SOMEBODY, NOBODY = {"detections": [{"label": "person"}]}, {"detections": []}


def rules(when, **options) -> Bench:
    return Bench(Rules, when=when, **options)


def test_two_streams_fire_together_and_each_alone_does_not():
    bench = rules({"all": [CO2, PERSON]}, text="stuffy room in use", dispatcher="d")
    assert not bench.fires({"co2": 900}, sensor="floor1/a")
    assert not bench.fires(NOBODY, sensor="cam")
    (action,) = bench.send(SOMEBODY, sensor="cam")
    assert action.dispatcher == "d"
    assert action.payload["values"] == {
        "co2": {"floor1/a": 900},
        "detections.*.label": {"cam": ["person"]},
    }
    assert action.metadata["text"] == "stuffy room in use"
    assert not bench.fires(SOMEBODY, sensor="cam")
    assert not rules({"all": [CO2, PERSON]}).fires(SOMEBODY, sensor="cam")


def test_values_grow_old():
    bench = rules({"all": [{**CO2, "max_age_s": 10}, PERSON]})
    assert not bench.fires({"co2": 900}, sensor="floor1/a")
    assert not bench.fires(SOMEBODY, sensor="cam", after=10.1)
    assert bench.fires({"co2": 900}, sensor="floor1/a")


def test_any_and_not():
    bench = rules({"any": [CO2, {"not": {"metric": "ok", "equals": True}}]})
    assert bench.fires({"ok": False})
    assert not bench.fires({"ok": True})
    assert bench.fires({"co2": 800}, sensor="floor1/a")


@pytest.mark.parametrize(
    ("comparison", "yes", "no"),
    [
        ({"at_least": 5}, [5, 5.5], [4, "5", True, None, float("nan")]),
        ({"at_most": 5}, [5, -1], [6]),
        ({"above": 5, "below": 7}, [6], [5, 7]),
        ({"equals": 1}, [1, 1.0], [True, 2, "1", [1]]),
        ({"equals": True}, [True], [1, False]),
        ({"equals": "a"}, ["a"], ["b", {"a": 1}]),
        ({"differs": 1}, [2, "1", True], [1]),
        ({"one_of": ["a", 2]}, ["a", 2], ["b", 3]),
        ({"contains": 2}, [[1, 2]], [[1], 2, "2", {"2": 1}]),
        ({"exists": True}, [None, 0, []], []),
    ],
)
def test_comparisons(comparison, yes, no):
    for values, want in ((yes, True), (no, False)):
        for value in values:
            assert rules({"metric": "v", **comparison}).fires({"v": value}) is want, value


def test_a_missing_value_exists_not():
    bench = rules({"metric": "v", "exists": False, "max_age_s": 5})
    assert bench.fires({"other": 1})
    assert not bench.fires({"v": 1})
    assert bench.fires({"other": 1}, after=6)


def test_one_sensor_is_enough_unless_every_one_is_wanted():
    some, every = rules(CO2), rules({**CO2, "every": True})
    for bench, want in ((some, [True, False]), (every, [True, False])):
        assert [bench.fires({"co2": v}, sensor=f"floor1/{v}") for v in (900, 100)] == want
    assert not some.fires({"co2": 900}, sensor="floor2/x")
    assert some.send({"co2": 950}, sensor="floor1/900") == []
    again = rules({**CO2, "every": True}, tell_end=True)
    again.send({"co2": 900}, sensor="floor1/a")
    (cleared,) = again.send({"co2": 100}, sensor="floor1/b")
    assert cleared.payload["event"] == "cleared"


def test_hold_cooldown_and_repetition():
    bench = rules(CO2, hold_s=5)
    assert not bench.fires({"co2": 900}, sensor="floor1/a")
    assert not bench.fires({"co2": 900}, sensor="floor1/a", after=4)
    assert bench.fires({"co2": 900}, sensor="floor1/a", after=1)
    bench = rules(CO2, once=False, cooldown_s=3)
    fired = [bench.fires({"co2": 900}, sensor="floor1/a", after=1) for _ in range(7)]
    assert fired == [True, False, False, True, False, False, True]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("during", "inside", "outside"),
    [
        ({"between": ["08:00", "17:00"]}, "2024-05-06T08:00", "2024-05-06T17:00"),
        ({"between": ["22:00", "06:00"]}, "2024-05-06T05:59", "2024-05-06T06:00"),
        ({"days": ["mon"]}, "2024-05-06T12:00", "2024-05-07T00:00"),
        (
            {"between": ["22:00", "06:00"], "days": ["mon"]},
            "2024-05-07T05:00",
            "2024-05-06T05:00",
        ),
        (
            {"between": ["08:00", "09:00"], "timezone": "Europe/Berlin"},
            "2024-05-06T06:30",
            "2024-05-06T08:30",
        ),
    ],
)
def test_times_of_day_and_week(during, inside, outside):
    window = During(**during)
    assert _is_during(window, at(inside))
    assert not _is_during(window, at(outside))
    assert not _is_during(window, float("nan"))
    assert not _is_during(window, 1e300)


def test_a_time_window_is_a_condition():
    value = {"metric": "v", "above": 0}  # messages of the tests are of 22:13 UTC
    assert rules({"all": [value, {"between": ["22:00", "23:00"]}]}).fires({"v": 1})
    assert not rules({"all": [value, {"between": ["23:00", "22:00"]}]}).fires({"v": 1})


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"metric": "v"}, "at_least"),
        ({"metric": "v", "atleast": 3}, "atleast"),
        ({"all": []}, "at least 1 item"),
        ({"all": [{"any": [{"metric": "", "above": 1}]}]}, "at least 1 character"),
        ({"between": ["25:00", "06:00"]}, "time of day"),
        ({"days": ["monday"]}, "mon"),
        ({"days": ["mon"], "timezone": "Mars/Olympus"}, "time zone"),
        ({"metric": "v", "exists": False, "above": 1}, "cannot be compared"),
        ("v > 3", "valid dictionary"),
        ({"any": [{"all": [{"metric": "v", "above": 1}] * 64}] * 3}, "at most 128"),
    ],
)
def test_mistakes_are_told(when, said):
    with pytest.raises(ValidationError, match=said):
        Rules.Options(when=when)


leaf = st.tuples(st.sampled_from("abc"), st.integers(0, 3)).map(
    lambda t: {"metric": t[0], "at_least": t[1]}
)
trees = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"all": each}),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"any": each}),
        inner.map(lambda each: {"not": each}),
    ),
    max_leaves=8,
)


def holds(tree, values) -> bool:
    if "all" in tree:
        return all(holds(each, values) for each in tree["all"])
    if "any" in tree:
        return any(holds(each, values) for each in tree["any"])
    if "not" in tree:
        return not holds(tree["not"], values)
    return tree["metric"] in values and values[tree["metric"]] >= tree["at_least"]


@given(trees, st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)), max_size=5))
def test_conditions_mean_what_they_say(tree, messages):
    bench, latest = rules(tree, once=False), {}
    for message in messages:
        latest.update(message)
        assert bench.fires(message) is holds(tree, latest)
