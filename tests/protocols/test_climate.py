"""Messages and topics of the climate system."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import CommsError, FrameTooLargeError, ProtocolError
from edgeflow.protocols import climate
from edgeflow.protocols.climate_topics import (
    Topic,
    config_ack_topic,
    control_topic,
    override_topic,
    parse_topic,
    request_topic,
    sensor_topic,
    status_topic,
)

CONTROL = {
    "device_id": "bedroom-1",
    "timestamp": "2025-10-27T12:00:00Z",
    "position": 65.5,
    "confidence": 0.92,
    "features_used": {"temperature": 25.5, "humidity": 60.0, "sound_volume": -32.5},
}


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("sensor/bedroom-1/temperature", Topic("sensor", "bedroom-1", "temperature")),
        (sensor_topic("a", "co2_ppm"), Topic("sensor", "a", "co2_ppm")),
        (request_topic("a"), Topic("request", "a")),
        (control_topic("aa:bb:cc"), Topic("control", "aa:bb:cc")),
        (override_topic("a"), Topic("override", "a")),
        (status_topic("a"), Topic("status", "a")),
        (config_ack_topic("a"), Topic("config_ack", "a")),
    ],
)
def test_a_topic_tells_role_device_and_kind(topic: str, expected: Topic) -> None:
    assert parse_topic(topic) == expected


@pytest.mark.parametrize(
    "topic",
    ["", "sensor", "sensor/a", "sensor//temperature", "sensor/a b/temperature", "sensor/a/Temp",
     "sensor/+/temperature", "window/control", "window/a/control/x", "sensor/" + "a" * 65 + "/x",
     "sensor/../temperature", "a" * 5000],
)  # fmt: skip
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(ProtocolError):
        parse_topic(topic)


@pytest.mark.parametrize(("payload", "value"), [(b"25.5", 25.5), (b" -3 ", -3.0), (b"1e2", 100.0)])
def test_a_bare_number_is_a_reading(payload: bytes, value: float) -> None:
    assert climate.decode_reading(payload) == climate.Reading(value=value)


def test_a_reading_with_its_sequence_survives() -> None:
    reading = climate.Reading(value=60.25, sequence=7, boot=3, time=1.5e9)
    assert climate.decode_reading(climate.encode(reading)) == reading


@pytest.mark.parametrize(
    "payload",
    [b"", b"25.5abc", b"NaN", b"inf", b"-Infinity", b"1e999", b"0x10", b"1_0", b"null", b"[1]",
     b'{"value": NaN}', b'{"value": 1e999}', b'{"value": "25"}', b'{"value": true}', b"{}", b"{",
     b"\xff\xfe", "\uff12\uff15".encode(), b"1" * 33,
     b'{"value": 20, "sequence": 9223372036854775808}', b'{"value": 20, "sequence": -2}',
     b'{"value": 20, "boot": 99999999999999999999999}', b'{"value": 20, "boot": -1}'],
)  # fmt: skip
def test_what_is_no_reading_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        climate.decode_reading(payload)


def test_a_large_message_is_refused_by_its_size() -> None:
    with pytest.raises(FrameTooLargeError, match="4097"):
        climate.decode_reading(b"1" * 4097)


def test_the_control_message_of_the_requirement_is_read() -> None:
    control = climate.decode_control(json.dumps(CONTROL).encode())
    assert control.features_used == climate.Features(25.5, 60.0, -32.5)
    assert json.loads(climate.encode(control)) == CONTROL


@pytest.mark.parametrize(
    ("field", "value"),
    [("position", 100.5), ("position", -1), ("confidence", 1.5), ("position", "65")],
)
def test_a_control_out_of_range_is_refused(field: str, value: object) -> None:
    with pytest.raises(ProtocolError, match=field):
        climate.decode_control(json.dumps(CONTROL | {field: value}).encode())


def test_a_request_names_what_is_missing() -> None:
    payload = b'{"device_id":"a","timestamp":"2025-10-27T12:00:00Z","temperature":21}'
    with pytest.raises(ProtocolError, match="humidity"):
        climate.decode_request(payload)


def test_overrides_are_json_or_bare() -> None:
    assert climate.decode_override(b"40").position == 40.0
    assert climate.decode_override(b'{"position":40,"person":"ann"}').person == "ann"
    with pytest.raises(ProtocolError, match="position"):
        climate.decode_override(b"140")
    with pytest.raises(ProtocolError, match=r"^override: b'open' is no position"):
        climate.decode_override(b"open")


def test_times_have_an_offset() -> None:
    assert climate.parse_time(climate.iso_time(1.75e9 + 0.25)) == 1.75e9 + 0.25
    with pytest.raises(ProtocolError, match="offset"):
        climate.parse_time("2025-10-27T12:00:00")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise_anything_else(data: bytes) -> None:
    for decode in (climate.decode_reading, climate.decode_request, climate.decode_control,
                   climate.decode_override):  # fmt: skip
        try:
            message = decode(data)
        except CommsError:
            continue
        assert isinstance(message, msgspec.Struct)


@given(st.text(max_size=100))
def test_arbitrary_topics_never_raise_anything_else(text: str) -> None:
    try:
        parsed = parse_topic(text)
    except ProtocolError:
        return
    assert parsed.device
