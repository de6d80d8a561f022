"""When the threshold policy decides."""

import pytest

from edgeflow.climate.triggers import Decision, ThresholdTrigger, feature_of
from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features

START = 1_750_000_000.0


def settled(trigger: ThresholdTrigger, device: str = "a", at: float = START) -> Decision:
    """Let a device make its first decision."""
    assert trigger.take(device, "temperature", 20.0, at) is None
    assert trigger.take(device, "humidity", 50.0, at) is None
    decision = trigger.take(device, "sound_volume", -40.0, at)
    assert decision is not None
    return decision


def test_the_first_decision_waits_for_all_three_whatever_comes_last() -> None:
    trigger = ThresholdTrigger()
    assert trigger.take("a", "sound_volume", -40.0, START) is None
    assert trigger.take("a", "humidity", 50.0, START) is None
    decision = trigger.take("a", "temperature", 20.0, START)
    assert decision == Decision("a", START, Features(20.0, 50.0, -40.0), "first_inference")


@pytest.mark.parametrize(
    ("feature", "value", "asks"),
    [
        ("temperature", 20.4, False),
        ("temperature", 20.5, True),
        ("temperature", 19.5, True),
        ("humidity", 51.9, False),
        ("humidity", 52.0, True),
        ("sound_volume", -40.0, True),
    ],
)
def test_a_change_of_the_step_decides(feature: str, value: float, asks: bool) -> None:
    trigger = ThresholdTrigger()
    settled(trigger)
    decision = trigger.take("a", feature, value, START + 10)
    assert (decision is not None) == asks
    assert decision is None or decision.reason == feature


def test_a_slow_drift_counts() -> None:
    trigger = ThresholdTrigger()
    settled(trigger)
    decisions = [
        trigger.take("a", "temperature", 20.0 + 0.1 * minute, START + 60 * minute)
        for minute in range(1, 11)
    ]
    assert [decision is not None for decision in decisions].count(True) == 2


def test_at_most_one_per_interval_and_the_last_change_is_not_lost() -> None:
    trigger = ThresholdTrigger()
    settled(trigger)
    for step in range(1, 5):
        assert trigger.take("a", "temperature", 20.0 + step, START + step) is None
    assert trigger.due(START + 4.9) == []
    (decision,) = trigger.due(START + 5.0)
    assert decision.features.temperature == 24.0
    assert trigger.due(START + 60) == []


def test_devices_do_not_wait_for_each_other() -> None:
    trigger = ThresholdTrigger()
    settled(trigger, "a")
    assert settled(trigger, "b", START + 1).device == "b"


def test_a_silent_sensor_degrades_the_decision_and_does_not_block() -> None:
    trigger = ThresholdTrigger()
    assert trigger.take("a", "temperature", 20.0, START) is None
    assert trigger.take("a", "humidity", 50.0, START + 59) is None
    assert trigger.due(START + 59) == []
    (decision,) = trigger.due(START + 60)
    assert decision.features.sound_volume == -60.0
    assert decision.degraded == ("sound_volume",)


def test_an_old_value_is_used_and_called_old() -> None:
    trigger = ThresholdTrigger()
    settled(trigger)
    decision = trigger.take("a", "temperature", 25.0, START + 3600)
    assert decision is not None
    assert decision.features == Features(25.0, 50.0, -40.0)
    assert decision.degraded == ("humidity", "sound_volume")


def test_steps_can_be_chosen_and_must_not_be_negative() -> None:
    trigger = ThresholdTrigger(steps=Features(2.0, 5.0, 10.0), interval=0.0)
    settled(trigger)
    assert trigger.take("a", "sound_volume", -45.0, START + 1) is None
    assert trigger.take("a", "sound_volume", -50.0, START + 1) is not None
    with pytest.raises(ConfigError):
        ThresholdTrigger(interval=-1.0)


def test_audio_feeds_the_volume_and_other_kinds_feed_nothing() -> None:
    assert feature_of("audio") == "sound_volume"
    assert feature_of("co2") is None
