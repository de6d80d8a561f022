"""From messages to rows."""

import base64
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.climate.intake import MAX_KINDS, Intake, SensorRange
from edgeflow.climate.sequences import MAX_STREAMS, WINDOW, Place, Sequences
from edgeflow.store.catalogue import TABLES
from edgeflow.store.cells import cells_of

NOW = 1_750_000_000.0


def test_a_bare_number_becomes_a_row() -> None:
    taken = Intake().take("sensor/a/temperature", b"21.5", NOW)
    assert taken is not None
    assert taken.accepted
    assert (taken.table, taken.device, taken.kind, taken.value) == (
        "sensor_temperature",
        "a",
        "temperature",
        21.5,
    )
    assert taken.row["timestamp"] == NOW


def test_audio_becomes_its_volume_and_is_not_kept() -> None:
    samples = np.full(1600, 3277, "<i2").tobytes()
    payload = json.dumps({"data": base64.b64encode(samples).decode()}).encode()
    taken = Intake().take("sensor/a/audio", payload, NOW)
    assert taken is not None
    assert taken.table == "sensor_audio"
    assert taken.value == pytest.approx(-20.0, abs=0.01)
    assert not any(isinstance(value, bytes) for value in taken.row.values())
    assert taken.row["features"] == {}


def test_another_kind_goes_to_the_general_table() -> None:
    taken = Intake().take("sensor/a/co2", b"800", NOW)
    assert taken is not None
    assert (taken.table, taken.row["kind"]) == ("sensor_readings", "co2")


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("sensor/a/temperature", b"NaN", "no number"),
        ("sensor/a/temperature", b"60.1", "temperature is 60.1"),
        ("sensor/a/humidity", b"-0.1", "humidity is -0.1"),
        ("sensor/a/co2", b"20000", "co2 is 20000"),
        ("sensor/a/audio", b"{}", "audio"),
        ("sensor/a/audio", b"x" * 10_000_000, "at most"),
        ("sensor/a b/temperature", b"20", "device id"),
        ("window/a/control", b"20", "no topic of a sensor"),
        ("elsewhere", b"20", "no topic"),
    ],
)
def test_what_is_wrong_becomes_a_dead_letter(topic: str, payload: bytes, reason: str) -> None:
    intake = Intake({"co2": SensorRange(300.0, 10_000.0, "ppm")})
    taken = intake.take(topic, payload, NOW)
    assert taken is not None
    assert not taken.accepted
    assert taken.table == "dead_letters"
    assert reason in taken.row["reason"]
    assert len(taken.row["payload"]) <= 200
    assert intake.stats.refused == 1


def test_a_redelivered_reading_is_known_and_a_bare_one_is_not() -> None:
    intake = Intake()
    payload = b'{"value":20,"sequence":5,"boot":1}'
    assert intake.take("sensor/a/temperature", payload, NOW) is not None
    assert intake.take("sensor/a/temperature", payload, NOW + 1) is None
    assert intake.take("sensor/a/humidity", payload, NOW + 1) is not None
    assert intake.take("sensor/a/temperature", b"20", NOW) is not None
    assert intake.take("sensor/a/temperature", b"20", NOW) is not None
    assert intake.stats.repeated == 1


@pytest.mark.parametrize(
    ("said", "kept", "off"),
    [
        (NOW - 3600.0, NOW - 3600.0, 0),
        (NOW + 3600.0, NOW, 1),
        (NOW - 30 * 86_400.0, NOW, 1),
        (0.0, NOW, 0),
    ],
)
def test_the_clock_of_a_device_is_believed_within_reason(
    said: float, kept: float, off: int
) -> None:
    intake = Intake()
    payload = json.dumps({"value": 20.0, "time": said}).encode()
    taken = intake.take("sensor/a/temperature", payload, NOW)
    assert taken is not None
    assert taken.row["timestamp"] == kept
    assert intake.stats.clocks_off == off


@given(st.lists(st.integers(0, 200), max_size=200))
def test_every_sequence_is_new_once_in_any_order(order: list[int]) -> None:
    sequences, seen = Sequences(), set[int]()
    for number in order:
        place = sequences.place("a", "t", 1, number)
        assert (place is Place.KNOWN) == (number in seen)
        assert (place is Place.NEWEST) == (number > max(seen, default=-1))
        seen.add(number)


def test_a_new_boot_counts_anew_and_what_is_far_behind_is_left_to_the_store() -> None:
    sequences = Sequences()
    assert sequences.place("a", "t", 1, 5000) is Place.NEWEST
    assert sequences.place("a", "t", 1, 5000 - WINDOW + 1) is Place.LATE
    assert sequences.place("a", "t", 1, 5000 - WINDOW + 1) is Place.KNOWN
    assert sequences.place("a", "t", 1, 10) is Place.LATE
    assert sequences.place("a", "t", 1, 10) is Place.LATE
    assert sequences.place("a", "t", 2, 0) is Place.NEWEST
    assert sequences.place("a", "t", 2, 0) is Place.KNOWN


def test_a_reading_that_was_overtaken_is_kept_and_marked() -> None:
    intake = Intake()
    taken = [
        intake.take("sensor/a/temperature", b'{"value":20,"sequence":%d,"boot":1}' % number, NOW)
        for number in (1, 3, 2)
    ]
    assert [each is not None and each.late for each in taken] == [False, False, True]
    assert intake.stats.accepted == 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_STREAMS >= 1000
    monkeypatch.setattr("edgeflow.climate.sequences.MAX_STREAMS", 3)
    sequences = Sequences()
    for number in range(5):
        assert sequences.place(f"d{number}", "t", 1, 0) is Place.NEWEST
    assert sequences.place("d4", "t", 1, 0) is Place.KNOWN
    assert sequences.place("d0", "t", 1, 0) is Place.NEWEST, "forgotten"


@given(st.text(max_size=60), st.binary(max_size=100))
def test_no_message_raises(topic: str, payload: bytes) -> None:
    for name in (topic, "sensor/a/temperature", "sensor/a/audio"):
        Intake().take(name, payload, NOW)


FIELDS = ("value", "sequence", "boot", "time", "sample_rate", "duration")
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([2**63 - 1, 2**63, 2**64, -1]))


@given(
    st.sampled_from(["temperature", "humidity", "audio", "co2"]),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("value", "sequence", "boot", "time", "sample_rate", "duration"), NUMBERS
        )
        | {"data": st.sampled_from(["", "AAAA", "AAAAAAAA"])},
    ),
)
def test_whatever_becomes_a_row_has_a_form_in_every_store(kind: str, said: object) -> None:
    taken = Intake().take(f"sensor/a/{kind}", json.dumps(said).encode(), NOW)
    assert taken is not None
    assert len(cells_of(TABLES[taken.table], [taken.row])) == 1
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(taken.row)) == taken.row


def test_kinds_that_are_made_up_do_not_fill_memory() -> None:
    intake = Intake()
    for number in range(MAX_KINDS + 50):
        intake.take(f"sensor/attic/kind_{number}", b"1", 1.75e9)
    assert intake.stats.by_kind["others"] == 50
    assert len(intake.stats.by_kind) == MAX_KINDS + 1
