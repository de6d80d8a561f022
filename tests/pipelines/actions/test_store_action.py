"""Actions become rows."""

from pathlib import Path

import pytest

from acting import act, action
from edgeflow.errors import ActionError
from edgeflow.pipelines.actions.store import StoreDispatcher
from edgeflow.pipelines.paths import relative_to
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables


def rows(path: Path, table: str) -> list[dict[str, object]]:
    store = open_tables(f"sqlite:///{path}")
    store.create([TABLES[table]])
    try:
        return store.rows(table)
    finally:
        store.close()


def test_an_action_is_a_row_and_its_numbers_are_readings(tmp_path: Path) -> None:
    path = tmp_path / "room.db"
    payload = {"sensor": "room", "time": 1000.0, "air": {"temperature": 21.5}, "value": 3}
    results = act(
        StoreDispatcher,
        action(payload),
        action({**payload, "event": "alarm", "time": 1001.0, "value": "none"}),
        url=f"sqlite:///{path}",
        values={"temperature": "air.temperature", "humidity": "air.humidity"},
    )
    assert [result.detail for result in results] == ["2 rows", "2 rows"]
    first, second = rows(path, "events")
    assert (first["device_id"], first["timestamp"], first["kind"]) == ("room", 1000.0, "guard")
    assert (first["source"], first["value"]) == ("vision/guard", 3.0)
    assert first["details"] == payload
    assert second["kind"] == "alarm"
    readings = rows(path, "sensor_readings")
    assert [(each["kind"], each["value"]) for each in readings] == [("temperature", 21.5)] * 2


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    with relative_to(tmp_path):
        options = StoreDispatcher.Options(url="sqlite:///data.db", kind="state")
    assert options.url == f"sqlite:///{tmp_path / 'data.db'}"
    assert StoreDispatcher.Options(url="sqlite://:memory:").url == "sqlite://:memory:"
    assert StoreDispatcher.Options(url="sqlite:////tmp/x.db").url == "sqlite:////tmp/x.db"


def test_what_has_no_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ActionError):
        act(StoreDispatcher, action(b"bytes"), url=f"sqlite:///{tmp_path / 'a.db'}")


def test_a_store_that_cannot_be_opened_is_told_by_each_action(tmp_path: Path) -> None:
    from edgeflow.errors import StoreError

    (tmp_path / "a.db").write_bytes(b"this is no database, and long enough to tell" * 100)
    with pytest.raises(StoreError):
        act(StoreDispatcher, action({"n": 1}), url=f"sqlite:///{tmp_path / 'a.db'}")
