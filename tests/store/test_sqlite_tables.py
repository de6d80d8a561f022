"""Tables of readings in SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeflow.climate.triggers import Decision
from edgeflow.climate.zscore import ZscoreTrigger
from edgeflow.errors import StoreError
from edgeflow.protocols.climate import Features
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables

START = 1_750_000_000.0 // 3600 * 3600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteTables]:
    made = SqliteTables(str(tmp_path / "readings.db"))
    made.create(list(TABLES.values()))
    yield made
    made.close()


def reading(device: str, seconds: float, value: float, sequence: int = -1) -> dict[str, object]:
    """A row of a temperature."""
    return {
        "device_id": device,
        "timestamp": START + seconds,
        "value": value,
        "sequence": sequence,
        "boot": 1,
    }


def test_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are no tables, and the file is long enough to be looked at" * 50)
    with pytest.raises(StoreError, match=r"notes\.txt"):
        SqliteTables(str(path))


def fill(store: SqliteTables, now: float, temperature: float) -> None:
    """A week of a quiet room, and its last two minutes."""
    for table, column, usual in (
        ("sensor_temperature", "value", 20.0),
        ("sensor_humidity", "value", 50.0),
        ("sensor_audio", "sound_volume", -60.0),
    ):
        rows = [
            {"device_id": "a", "timestamp": now - 600.0 * n, column: usual + (-1) ** n * 0.5}
            for n in range(1, 1000)
        ]
        last = temperature if table == "sensor_temperature" else usual
        rows += [{"device_id": "a", "timestamp": now - n, column: last} for n in range(10)]
        store.insert(table, rows)


@pytest.mark.parametrize(("temperature", "reason"), [(22.0, "temperature_zscore"), (20.0, "")])
def test_z_scores_come_from_the_store(store: SqliteTables, temperature: float, reason: str) -> None:
    now = START + 8 * 86_400.0
    fill(store, now, temperature)
    store.insert("inference_history", [{"device_id": "a", "timestamp": now - 3600.0}])
    trigger = ZscoreTrigger(store, window=660.0)
    trigger.take("a", "temperature", temperature, now)
    found = trigger.due(now + 1.0)
    assert [decision.reason for decision in found] == ([reason] if reason else [])
    assert trigger.due(now + 30.0) == [], "it looks once a minute"


def test_a_device_without_history_is_decided_on(store: SqliteTables) -> None:
    now = START + 8 * 86_400.0
    fill(store, now, 20.0)
    trigger = ZscoreTrigger(store)
    trigger.take("a", "temperature", 20.0, now)
    trigger.take("never-heard", "temperature", 20.0, now)
    assert trigger.due(now + 1.0) == [
        Decision("a", now + 1.0, Features(20.0, 50.0, -60.0), "first_inference")
    ]
