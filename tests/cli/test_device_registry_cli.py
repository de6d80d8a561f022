"""The registry of devices from the command line, beside a program that hears them."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeflow.cli import main
from edgeflow.devices.configuration import Answer
from edgeflow.devices.registry import TABLES_OF_DEVICES, DeviceRegistry
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables

NOW = 1_750_000_000.0
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/home.db"
    tables = open_tables(url)
    tables.create(list(TABLES.values()))
    registry = DeviceRegistry(tables.insert)
    registry.seen("attic", NOW, sensor="temperature")
    registry.seen("board0", NOW, kind="board")
    registry.said("board0", "offline", NOW + 1)
    tables.close()
    return url


@pytest.fixture
def run(store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("EDGEFLOW_STORE", store)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["devices", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def answering(store: str) -> Iterator[None]:
    """Whoever runs the registry: it takes settings over, and answers for its devices."""
    stop = threading.Event()

    def answer() -> None:
        tables = open_tables(store)
        tables.create(list(TABLES.values()))
        registry = DeviceRegistry(tables.insert, *map(tables.latest, TABLES_OF_DEVICES))
        while not stop.wait(0.05):
            registry.adopt(tables.rows("device_settings"))
            for each in registry.take_unsent():
                refused = "speed" if each.desired.get("speed") == 0 else ""
                said = Answer(version=each.version, refused=refused, reported=dict(each.desired))
                registry.answered(each.device_id, said, time.time())
        tables.close()

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    stop.set()
    thread.join(10)


def test_the_list_shows_devices_of_all_kinds(run: Command) -> None:
    code, out, _ = run("list", "--json")
    found: list[dict[str, Any]] = json.loads(out)
    assert code == 0
    assert [(each["device"], each["kind"], each["online"]) for each in found] == [
        ("attic", "mqtt", True),
        ("board0", "board", False),
    ]
    assert found[0]["last_seen"] == "2025-06-15T15:06:40Z"
    _, out, _ = run("list", "--kind", "board")
    assert [line.split()[0] for line in out.splitlines()] == ["DEVICE", "board0"]
    assert "offline" in out


def test_without_tables_the_list_is_that_of_ports(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEFLOW_STORE")
    code, out, _ = run("list", "--json")
    assert code == 0
    assert all("port" in each for each in json.loads(out))


def test_names_groups_and_tags_are_kept_by_all_that_follows(run: Command) -> None:
    assert run("name", "attic", "Under the roof", "--location", "North")[0] == 0
    assert run("group", "top", "attic", "board0")[0] == 0
    _, out, _ = run("tag", "battery", "attic", "--json")
    (told,) = json.loads(out)
    assert (told["name"], told["location"]) == ("Under the roof", "North")
    assert (told["groups"], told["tags"]) == (["top"], ["battery"])
    assert run("group", "top", "board0", "--remove")[0] == 0
    _, out, _ = run("list", "--group", "top", "--json")
    assert [each["device"] for each in json.loads(out)] == ["attic"]
    _, out, _ = run("show", "attic")
    assert "Under the roof" in out
    assert "battery" in out


def test_a_device_that_is_not_there_changes_nothing(run: Command) -> None:
    code, _, err = run("group", "top", "attic", "attik")
    assert code == 3
    assert "did you mean 'attic'" in err
    assert json.loads(run("show", "attic", "--json")[1])["groups"] == []


def test_own_settings_stay_here_and_others_wait_for_the_device(run: Command) -> None:
    code, out, _ = run("set", "attic", "silence_seconds=60", "sensor_silence.audio=20", "speed=20")
    assert (code, out) == (0, "attic: version 1 pending\n")
    told = json.loads(run("show", "attic", "--json")[1])
    assert (told["silence_seconds"], told["sensor_silence"]) == (60, {"audio": 20})
    assert told["configuration"]["desired"] == {"speed": 20}
    _, out, _ = run("set", "attic", "sensor_silence.audio=", "speed=")
    told = json.loads(run("show", "attic", "--json")[1])
    assert told["sensor_silence"] == told["configuration"]["desired"] == {}
    for wrong in ("speed", "=3", "silence_seconds=0", "a b=3"):
        assert run("set", "attic", wrong)[0] == 3


def test_the_answer_of_a_device_is_waited_for(run: Command, answering: None) -> None:
    code, out, _ = run("set", "attic", "speed=20", "--wait", "30")
    assert (code, out) == (0, "attic: version 1 applied\n")
    code, out, _ = run("set", "attic", "speed=0", "--wait", "30")
    assert (code, out) == (1, "attic: version 2 refused: the device refused speed\n")


def test_groups_are_configured_at_once_and_no_answer_is_told(run: Command) -> None:
    run("group", "all", "attic", "board0")
    code, out, _ = run("set", "@all", "speed=5", "--wait", "0.1")
    assert code == 4
    assert out == "attic: version 1 pending\nboard0: version 1 pending\n"


def test_tables_that_are_not_there_are_not_made(run: Command, tmp_path: Path) -> None:
    code, _, err = run("list", "--store", f"sqlite:///{tmp_path}/other.db")
    assert code == 3
    assert "other.db" in err
    assert not (tmp_path / "other.db").exists()


def test_a_device_is_removed_and_its_data_kept_unless_asked_for(
    run: Command, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = open_tables(store)
    tables.create(list(TABLES.values()))
    reading = {"device_id": "attic", "timestamp": NOW, "value": 20.0}
    tables.insert("sensor_temperature", [reading, {**reading, "device_id": "board0"}])
    assert run("remove", "board0") == (0, "board0: removed\n", "")
    code, _, said = run("remove", "board0")
    assert code == 3
    assert "no device" in said
    assert len(tables.rows("sensor_temperature")) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("remove", "attic", "--forget-data")[0] == 130
    assert run("show", "attic")[0] == 0
    code, told, _ = run("remove", "attic", "--forget-data", "--yes", "--json")
    assert code == 0
    assert json.loads(told) == [{"device": "attic", "deleted_rows": 1}]
    assert [row["device_id"] for row in tables.rows("sensor_temperature")] == ["board0"]
    assert tables.latest("device_registry") == []
    tables.close()
