"""What tables in SQLite do beyond the contract of all stores."""

import sqlite3
from pathlib import Path

import pytest

from edgeflow.errors import StoreError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables


def test_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are no tables, and the file is long enough to be looked at" * 50)
    with pytest.raises(StoreError, match=r"notes\.txt"):
        SqliteTables(str(path))


def test_other_programs_read_the_file_meanwhile(tmp_path: Path) -> None:
    store = SqliteTables(str(tmp_path / "home.db"))
    store.create([TABLES["sensor_temperature"]])
    store.insert("sensor_temperature", [{"device_id": "a", "timestamp": 1.75e9, "value": 21.5}])
    other = sqlite3.connect(f"file:{tmp_path}/home.db?mode=ro", uri=True)
    found = other.execute("SELECT device_id, timestamp, value FROM sensor_temperature").fetchall()
    other.close()
    store.close()
    assert found == [("a", 1_750_000_000_000, 21.5)]
