"""Agents of rooms: presence with hold times, falls, breath that ends, numbers of persons."""

from typing import Any

import pytest
from agent_parts import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflow.pipelines.agents.rooms import Apnea, FallAlarm, PersonCount, PresenceChanged


def said(*, presence: bool = True, **more: Any) -> dict[str, Any]:
    usual = {"event": "vitals", "node": 7, "name": "7@hall", "confidence": 0.9, "motion": 0.1}
    usual |= {"threshold": 0.4, "breathing_bpm": None, "breathing_confidence": 0.0, "persons": 1}
    return {**usual, "presence": presence, "fall": False, **more}


def told(bench: Bench, steps: list[tuple[float, dict[str, Any]]]) -> list[str]:
    return [a.payload["event"] for after, each in steps for a in bench.send(each, after=after)]


class TestPresence:
    def test_coming_and_leaving_are_told_once_each_after_their_hold_times(self) -> None:
        bench = Bench(PresenceChanged, enter_s=2, leave_s=3)
        empty, present = (1.0, said(presence=False)), (1.0, said())
        assert told(bench, [empty] * 5) == []
        assert told(bench, [present] * 2) == []
        assert told(bench, [present] * 5) == ["came"]
        assert told(bench, [empty, empty, present] * 5) == []
        assert told(bench, [empty] * 10) == ["left"]

    def test_an_event_names_node_time_and_confidence(self) -> None:
        bench = Bench(PresenceChanged, enter_s=0, dispatcher="phone", target="me")
        [action] = bench.send(said(), sensor="csi:7@hall")
        assert action.payload == {
            "event": "came",
            "node": 7,
            "name": "7@hall",
            "sensor": "csi:7@hall",
            "time": 1_700_000_000.0,
            "confidence": 0.9,
            "held_s": 0.0,
            "text": "somebody came (7@hall)",
        }
        assert (action.dispatcher, action.target) == ("phone", "me")

    def test_what_knows_nothing_changes_nothing(self) -> None:
        bench = Bench(PresenceChanged, enter_s=0, leave_s=0, min_confidence=0.5)
        assert told(bench, [(1.0, said())]) == ["came"]
        unknown = [said(presence=False, degraded=True), said(presence=False, event="silent")]
        unknown += [said(presence=False, confidence=0.4), {"text": "of another kind"}]
        assert told(bench, [(100.0, each) for each in unknown]) == []
        assert told(bench, [(1.0, said(presence=False, confidence=None))]) == ["left"]

    def test_only_what_is_wanted_is_told_and_each_sensor_is_followed_on_its_own(self) -> None:
        bench = Bench(PresenceChanged, enter_s=0, leave_s=0, events=["left"])
        assert told(bench, [(1.0, said())]) == []
        assert not bench.fires(said(presence=False), sensor="other")
        assert told(bench, [(1.0, said(presence=False))]) == ["left"]


class TestFall:
    def test_a_fall_that_is_repeated_is_one_alarm(self) -> None:
        bench = Bench(FallAlarm)
        fell = said(fall=True)
        assert told(bench, [(0.1, said()), (0.1, fell), (0.1, fell), (0.5, said())]) == ["fall"]
        assert told(bench, [(1.0, fell), (1.0, said())]) == []
        assert told(bench, [(10.0, fell)]) == ["fall"]

    def test_nobody_fell(self) -> None:
        assert told(Bench(FallAlarm), [(1.0, said())] * 20) == []


def breath(bpm: float | None, **more: Any) -> dict[str, Any]:
    sure = 0.0 if bpm is None else 0.8
    return said(breathing_bpm=bpm, breathing_confidence=sure, **more)


class TestApnea:
    def test_a_breath_that_ends_is_told_and_one_that_is_back(self) -> None:
        bench = Bench(Apnea, breathing_s=5, hold_s=10)
        assert told(bench, [(1.0, breath(14.0))] * 8) == []
        assert told(bench, [(1.0, breath(None))] * 9) == []
        [action] = bench.send(breath(None, presence=False), after=1.0)
        detail = {key: action.payload[key] for key in ("event", "held_s", "breathing_bpm")}
        assert detail == {"event": "apnea", "held_s": 10.0, "breathing_bpm": 14.0}
        assert action.payload["confidence"] == 0.8
        assert told(bench, [(1.0, breath(None, presence=False))] * 30) == []
        assert told(bench, [(1.0, breath(12.0))] * 5) == ["breathing"]

    def test_who_leaves_moves(self) -> None:
        bench = Bench(Apnea, breathing_s=5, hold_s=10)
        assert told(bench, [(1.0, breath(14.0))] * 8) == []
        assert told(bench, [(1.0, breath(None, motion=0.9))]) == []
        assert told(bench, [(1.0, breath(None, presence=False))] * 60) == []

    def test_a_glimpse_of_a_breath_and_none_at_all_say_nothing(self) -> None:
        bench = Bench(Apnea, breathing_s=5, hold_s=10)
        assert told(bench, [(1.0, breath(14.0))] * 2 + [(1.0, breath(None))] * 60) == []
        assert told(Bench(Apnea), [(1.0, breath(None, presence=False))] * 120) == []

    def test_a_breath_is_forgotten(self) -> None:
        bench = Bench(Apnea, breathing_s=1, hold_s=10, forget_s=60)
        assert told(bench, [(1.0, breath(14.0))] * 3 + [(100.0, breath(None))] * 3) == []

    def test_a_node_that_says_so_itself_is_believed_at_once(self) -> None:
        bench = Bench(Apnea)
        assert told(bench, [(1.0, breath(None, apnea=True))] * 3) == ["apnea"]
        assert told(bench, [(1.0, breath(12.0, apnea=False))]) == ["breathing"]


class TestPersonCount:
    def test_a_number_that_stays_is_told_once(self) -> None:
        bench = Bench(PersonCount, hold_s=3)
        one, two = (1.0, said(persons=1)), (1.0, said(persons=2))
        [action] = [a for after, each in [one] * 6 for a in bench.send(each, after=after)]
        assert (action.payload["before"], action.payload["persons"]) == (0, 1)
        assert told(bench, [two, one] * 10) == []
        assert told(bench, [two] * 10) == ["persons"]

    def test_a_limit_is_told_when_it_is_reached_and_left(self) -> None:
        bench = Bench(PersonCount, hold_s=0, at_least=2)
        numbers = [0, 1, 2, 3, 2, 1, 0]
        assert told(bench, [(1.0, said(persons=n)) for n in numbers]) == ["persons"] * 2


VALUES = [None, True, False, 0, -3, 2**70, 0.4, float("nan"), float("inf"), "", "vitals", "silent"]


@pytest.mark.parametrize("kind", [PresenceChanged, FallAlarm, Apnea, PersonCount])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*said(), "apnea", "degraded", "moving"]),
            st.sampled_from([*VALUES, [], {}]),
            max_size=8,
        ),
        max_size=12,
    )
)
def test_nothing_that_is_said_breaks_an_agent(kind: Any, payloads: list[dict[str, Any]]) -> None:
    bench = Bench(kind)
    for payload in payloads:
        assert len(bench.send(said() | payload, after=1.0)) <= 1
        assert len(bench.send(payload, after=1.0)) <= 1
