"""What devices and people send wrongly, at the door of a running system: the broker.

Each case is a line of the table in docs/reference/climate.md.
"""

import asyncio
import base64
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import mqtt_brokers
from climate_processes import Served, until
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables

SECONDS = 30.0
SOUND = json.dumps({"data": base64.b64encode(bytes(1600)).decode()}).encode()


@dataclass
class System:
    """A system, its broker, and its tables as another program reads them."""

    broker: str
    metrics_url: str
    tables: SqliteTables

    def send(self, *messages: tuple[str, bytes]) -> None:
        """Publish in order, each confirmed before the next."""

        async def publish() -> None:
            async with MqttClient(MqttOptions.from_url(self.broker)) as client:
                for topic, payload in messages:
                    await client.publish(topic, payload, qos=1, timeout=SECONDS)

        asyncio.run(publish())

    def rows(self, table: str, device: str, count: int = 1) -> list[dict[str, Any]]:
        """Rows of a device, when there are so many."""
        until(lambda: len(self.tables.rows(table, device=device)) >= count, SECONDS, table)
        return self.tables.rows(table, device=device)

    def refused(self, device: str, payload: bytes, kind: str = "temperature") -> str:
        """Send something wrong, then something right; return why the first was refused."""
        topic = f"sensor/{device}/{kind}"
        self.send((topic, payload), (f"sensor/{device}/temperature", b"21"))
        (kept,) = self.rows("sensor_temperature", device)
        assert kept["value"] == 21.0
        (dead,) = self.rows("dead_letters", device)
        assert dead["topic"] == topic
        assert len(dead["payload"]) <= 200
        return str(dead["reason"])

    def metric(self, name: str) -> float:
        """A number of the page for Prometheus, all labels together."""
        with urllib.request.urlopen(self.metrics_url, timeout=SECONDS) as answer:
            page = answer.read().decode()
        found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE)
        return sum(map(float, found))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("climate")
    url = f"sqlite:///{folder}/climate.db"
    with mqtt_brokers.make("nats", folder / "broker", max_payload=32 << 20) as broker:
        served = Served(broker.url, url, folder / "climate")
        served.start()
        tables = SqliteTables(str(folder / "climate.db"))
        tables.create(list(TABLES.values()))
        yield System(broker.url, served.metrics, tables)
        tables.close()
        took = served.stop()
        assert took < 20
        assert "Traceback" not in served.said


@pytest.mark.parametrize(
    ("device", "payload", "reason"),
    [
        ("no-json", b'{"value": 21', "truncated"),
        ("no-object", b"[21]", "no number"),
        ("wrong-type", b'{"value": "21"}', "float"),
        ("deep", b'{"value":' + b"[" * 3000, "reading"),
        ("nan", b"NaN", "no number"),
        ("nan-in-json", b'{"value": NaN}', "malformed"),
        ("huge", b'{"value": 1e999}', "reading"),
        ("infinite", b"-inf", "no number"),
        ("impossible", b"61", "temperature is 61"),
        ("long", b'{"value": 21, "x": "' + b"x" * 5000 + b'"}', "at most 4096"),
        ("beyond-64-bits", b'{"value": 21, "sequence": 99999999999999999999}', "reading"),
        ("no-text", b"\xff\xfe\x00", "no number"),
    ],
)
def test_what_is_no_reading_is_kept_apart_and_said(
    system: System, device: str, payload: bytes, reason: str
) -> None:
    assert reason in system.refused(device, payload)


@pytest.mark.parametrize(
    ("device", "payload", "reason"),
    [
        ("loud-10-mb", b'{"data":"' + b"A" * 10_000_000 + b'"}', "at most 1048576"),
        ("loud-no-base64", b'{"data":"!"}', "audio"),
        ("loud-no-json", b"RIFF", "audio"),
    ],
)
def test_audio_that_is_none_is_kept_apart(
    system: System, device: str, payload: bytes, reason: str
) -> None:
    assert reason in system.refused(device, payload, "audio")


def test_a_message_of_more_than_16_mb_is_passed_over(system: System) -> None:
    system.send(("sensor/giant/audio", bytes(17 << 20)), ("sensor/giant/temperature", b"21"))
    system.rows("sensor_temperature", "giant")
    assert system.tables.rows("dead_letters", device="giant") == []


def test_an_unknown_device_is_registered_and_an_impossible_one_is_not(system: System) -> None:
    system.send(
        ("sensor/-x/temperature", b"21"),
        ("sensor/a$b/temperature", b"21"),
        (f"sensor/{'x' * 65}/temperature", b"21"),
        ("device/nobody/status", b"offline"),
        ("sensor/new/temperature", b"21"),
    )
    system.rows("sensor_temperature", "new")
    known = {row["device_id"] for row in system.tables.latest("device_registry")}
    assert "new" in known
    assert not known & {"-x", "a$b", "x" * 65, "nobody"}
    reasons = [row["reason"] for row in system.rows("dead_letters", "", 3)]
    assert sum("device id" in reason for reason in reasons) == 3


def test_a_clock_that_is_far_off_is_not_believed(system: System) -> None:
    off = system.metric("iot_clocks_off_total")
    now = time.time()
    times = (now - 3600.0, now + 3600.0, 1.0, 1e300, now - 30 * 86_400.0)
    system.send(
        *(
            ("sensor/clock/temperature", json.dumps({"value": 21, "time": at}).encode())
            for at in times
        )
    )
    kept = sorted(row["timestamp"] for row in system.rows("sensor_temperature", "clock", 5))
    assert kept[0] == pytest.approx(now - 3600.0, abs=0.01)
    assert all(now - 1.0 <= each <= time.time() for each in kept[1:])
    assert system.metric("iot_clocks_off_total") == off + 4


def test_repeated_and_reordered_readings_are_kept_once_and_in_place(system: System) -> None:
    repeated = system.metric("iot_readings_repeated_total")
    now = time.time()
    order = [0, 2, 1, 2, 5, 3, 0, 4, 5]
    system.send(
        *(
            (
                "sensor/shuffled/temperature",
                json.dumps(
                    {"value": 20 + n, "sequence": n, "boot": 9, "time": now - 60 + n}
                ).encode(),
            )
            for n in order
        )
    )
    system.rows("sensor_temperature", "shuffled", 6)
    until(
        lambda: system.metric("iot_readings_repeated_total") == repeated + 3, SECONDS, "repetitions"
    )
    kept = system.tables.rows("sensor_temperature", device="shuffled")
    assert [row["sequence"] for row in kept] == [0, 1, 2, 3, 4, 5]
    minutes = system.tables.series("sensor_temperature", "value", step=60.0, device="shuffled")
    assert sum(each.count for each in minutes) == 6


def test_a_reading_that_was_overtaken_decides_nothing(system: System) -> None:
    def reading(value: float, sequence: int) -> tuple[str, bytes]:
        payload = {"value": value, "sequence": sequence, "boot": 1}
        return "sensor/late/temperature", json.dumps(payload).encode()

    system.send(("sensor/late/humidity", b"50"), reading(20.0, 7), reading(30.0, 6))
    system.send(("sensor/late/audio", SOUND))
    (action,) = system.rows("window_actions", "late")
    assert action["temperature"] == 20.0
    assert len(system.rows("sensor_temperature", "late", 2)) == 2


@pytest.mark.parametrize(
    ("device", "payload"),
    [("o-text", b"open it"), ("o-nan", b"NaN"), ("o-far", b"101"), ("o-json", b'{"position":')],
)
def test_an_override_that_is_none_teaches_nothing(
    system: System, device: str, payload: bytes
) -> None:
    labels = system.metric("iot_ml_labels_total")
    system.send((f"window/{device}/override", payload))
    (dead,) = system.rows("dead_letters", device)
    assert "override" in dead["reason"] or "reading" in dead["reason"]
    assert system.tables.rows("window_overrides", device=device) == []
    assert system.metric("iot_ml_labels_total") == labels


def test_a_poisoned_label_waits_for_a_second_one(system: System) -> None:
    """Somebody who means ill says the opposite of what was said three times."""
    for topic, payload in (("humidity", b"50"), ("audio", SOUND), ("temperature", b"23")):
        system.send((f"sensor/poisoned/{topic}", payload))
    system.rows("window_actions", "poisoned")
    labels, doubted = (
        system.metric(f"iot_ml_{name}_total") for name in ("labels", "labels_doubted")
    )
    said = [("window/poisoned/override", str(20 + number).encode()) for number in range(4)]
    system.send(*said)
    until(lambda: system.metric("iot_ml_labels_total") == labels + 4, SECONDS, "four labels")
    system.send(("window/poisoned/override", b"100"))
    until(lambda: system.metric("iot_ml_labels_doubted_total") == doubted + 1, SECONDS, "the doubt")
    assert system.metric("iot_ml_labels_total") == labels + 4
    assert len(system.rows("window_overrides", "poisoned", 5)) == 5, "what was said is kept"


def test_a_command_that_is_none_is_kept_apart(system: System) -> None:
    system.send(("window/c-none/control", b"{}"), ("device/c-none/config/ack", b"\xff"))
    assert len(system.rows("dead_letters", "c-none", 2)) == 2
