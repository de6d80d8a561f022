"""What a window must not do, and rooms that have changed."""

import numpy as np
import pytest

from edgeflow.climate.learning.drift import DriftDetector, Edges
from edgeflow.climate.learning.examples import starting_examples
from edgeflow.climate.learning.rules import Limits, SafetyRules
from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features

MILD = Features(22.0, 50.0, -50.0)


def apply(
    rules: SafetyRules,
    wanted: float,
    *,
    now: float = 0.0,
    features: Features = MILD,
    confidence: float = 0.9,
    degraded: bool = False,
) -> tuple[float, str]:
    """The position that is allowed, and why."""
    found = rules.apply(
        "a", wanted, confidence=confidence, features=features, degraded=degraded, now=now
    )
    return found.position, found.rule


def test_a_window_moves_in_steps_and_faster_after_a_while() -> None:
    rules = SafetyRules()
    assert apply(rules, 0.0) == (0.0, "")
    assert apply(rules, 100.0, now=5.0) == (40.0, "step")
    assert apply(rules, 100.0, now=125.0) == (100.0, "")


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (Features(4.9, 50.0, -50.0), (10.0, "frost")),
        (Features(22.0, 96.0, -50.0), (20.0, "damp")),
        (Features(22.0, 50.0, -5.0), (20.0, "loud")),
        (Features(4.0, 99.0, -1.0), (10.0, "frost")),
    ],
)
def test_weather_and_noise_cap_at_once(features: Features, expected: tuple[float, str]) -> None:
    rules = SafetyRules()
    apply(rules, 90.0)
    assert apply(rules, 90.0, now=1.0, features=features) == expected


def test_doubt_leaves_the_window_where_it_is() -> None:
    rules = SafetyRules()
    apply(rules, 30.0)
    assert apply(rules, 60.0, now=60.0, confidence=0.1) == (30.0, "doubt")


def test_a_silent_sensor_allows_small_steps_only() -> None:
    rules = SafetyRules()
    apply(rules, 30.0)
    assert apply(rules, 90.0, now=600.0, degraded=True) == (40.0, "degraded")


def test_a_window_stays_where_a_person_set_it_but_for_weather_and_noise() -> None:
    rules = SafetyRules()
    apply(rules, 0.0)
    rules.moved("a", 80.0, 1.0)
    assert apply(rules, 100.0, now=2.0) == (80.0, "held")
    assert apply(rules, 30.0, now=1700.0, features=Features(22.0, 50.0, -5.0)) == (
        20.0,
        "held,loud",
    )
    assert apply(rules, 30.0, now=1800.0) == (80.0, "held")
    assert apply(rules, 100.0, now=1802.0) == (100.0, "")
    rules.moved("a", 10.0, 2000.0)
    assert apply(rules, 40.0, now=5.0) == (40.0, ""), "the clock was set back"


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError):
        Limits(frost_position=120.0)
    with pytest.raises(ConfigError):
        Limits(step=0.0)


def test_the_same_rooms_do_not_drift_and_others_do() -> None:
    detector = DriftDetector(Edges.of(starting_examples(1000).features))
    for features in starting_examples(300, seed=9).features:
        detector.see(features)
    assert detector.drifted() == []
    for features in starting_examples(500, seed=10).features:
        detector.see(features + np.array([8.0, 0.0, 0.0]))
    assert detector.drifted() == ["temperature"]


def test_drift_is_not_told_from_a_few() -> None:
    detector = DriftDetector(Edges.of(starting_examples(1000).features))
    for _ in range(99):
        detector.see(np.array([45.0, 99.0, -1.0]))
    assert detector.scores() == {}
