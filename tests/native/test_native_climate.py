"""The core's climate node beside the protocol that servers read: readings, sound, commands."""

import base64
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.climate import NativeClimateNode, read_dht22, sound_message, sound_volume
from edgeflow.devices.virtual.climate_node import dht22_pulses
from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features, WindowControl, decode_reading, encode
from edgeflow.protocols.climate_topics import parse_topic
from edgeflow.protocols.sound import decode_sound, volume_dbfs


def online(**settings: float) -> NativeClimateNode:
    node = NativeClimateNode("attic", 9, 0.0, settings=settings)
    node.connected()
    status = node.next(0.0)
    assert status is not None
    assert (status.topic, status.payload, status.retain) == (
        "device/attic/status",
        b"online",
        True,
    )
    node.confirmed()
    return node


@given(st.floats(-40, 80), st.floats(0, 100), st.floats(300, 1100))
def test_readings_are_read_as_they_were_told(
    temperature: float, humidity: float, pressure: float
) -> None:
    node = online()
    node.set_time(1_700_000_000.5, 10.0)
    node.air(temperature, humidity, 4.0, pressure)
    for kind, value in (
        ("temperature", temperature),
        ("humidity", humidity),
        ("pressure", pressure),
    ):
        message = node.next(5.0)
        assert message is not None
        assert parse_topic(message.topic) == ("sensor", "attic", kind)
        reading = decode_reading(message.payload)
        assert reading.value == pytest.approx(value, abs=0.0051)
        assert (reading.sequence, reading.boot, reading.time) == (0, 9, 1_699_999_994.5)
        node.confirmed()
    assert node.next(5.0) is None
    assert node.counters.confirmed == 3


@given(st.lists(st.integers(-32768, 32767), max_size=700))
def test_sound_is_read_as_it_was_told(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    node = online()
    message = node.audio(samples, 16_000, 0.0)
    assert message is not None
    sound = decode_sound(message)
    assert np.array_equal(sound.samples, samples)
    assert (sound.sample_rate, sound.sequence, sound.boot) == (16_000, 0, 9)
    assert base64.b64decode(sound_message(samples)) == samples.tobytes()
    frames = samples.astype(np.int32) * 65536
    assert sound_volume(frames) == pytest.approx(volume_dbfs(samples), abs=1e-4)


def test_nobody_hears_sound_while_offline() -> None:
    node = NativeClimateNode("attic", 9, 0.0)
    assert not node.wants_audio(0.0)
    assert node.audio(np.zeros(10, np.int16), 16_000, 0.0) is None


@given(st.floats(0, 100))
def test_a_command_as_the_model_sends_it_moves_the_window(position: float) -> None:
    node = online()
    control = WindowControl(
        device_id="attic",
        timestamp="2026-01-01T00:00:00.000Z",
        position=position,
        confidence=0.5,
        features_used=Features(20.0, 50.0, -40.0),
        correlation_id='with "quotes" and \\ and é',
        rule="rain",
    )
    assert node.take("window/attic/control", encode(control)) == "moves"
    for second in range(1, 8):
        node.motor(float(second))
    assert node.position == pytest.approx(position, abs=1e-4)
    assert node.drive == "resting"


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(["control", "config"]))
def test_any_bytes_are_refused_or_taken(payload: bytes, what: str) -> None:
    node = online()
    topic = node.topic("control" if what == "control" else "config")
    assert node.take(topic, payload) in ("refused", "moves", "configured")
    assert math.isfinite(node.motor(1.0))


def test_a_configuration_is_confirmed_with_what_holds() -> None:
    node = online()
    assert node.take("device/attic/config", b'{"read_seconds": 5, "lowest": 10}') == "configured"
    ack = node.next(0.0)
    assert ack is not None
    assert parse_topic(ack.topic).role == "config_ack"
    assert b'"read_seconds":5.000' in ack.payload
    assert ack.payload.endswith(b'"refused":""}')
    assert node.take("device/attic/config", b'{"highest": 5}') == "refused"
    node.confirmed()
    again = node.next(0.0)
    assert again is not None
    assert again.payload.endswith(b'"refused":"motor"}')


def test_what_makes_no_sense_is_refused() -> None:
    for name in ("", "a/b", "+", "x" * 65):
        with pytest.raises(ConfigError):
            NativeClimateNode(name, 1, 0.0)
    with pytest.raises(ConfigError, match="read_seconds is 0"):
        NativeClimateNode("attic", 1, 0.0, settings={"read_seconds": 0.0})


@given(st.floats(-40, 80), st.floats(0, 100))
def test_pulses_of_the_sensor(temperature: float, humidity: float) -> None:
    pulses = dht22_pulses(temperature, humidity)
    found = read_dht22(pulses)
    assert found == pytest.approx((temperature, humidity), abs=0.0501)
    pulses[3] ^= 27 ^ 70
    assert read_dht22(pulses) is None
    assert read_dht22(pulses[:-1]) is None
