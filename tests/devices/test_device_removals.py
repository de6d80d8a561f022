"""Devices that were taken out of the registry."""

import random
from collections.abc import Iterator

import pytest

from edgeflow.devices.configuration import Answer
from edgeflow.devices.registry import TABLES_OF_DEVICES, DeviceRegistry
from edgeflow.devices.removals import erase
from edgeflow.errors import ConfigError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables

NOW = 1_750_000_000.0


@pytest.fixture
def store() -> Iterator[SqliteTables]:
    made = SqliteTables(":memory:")
    made.create(list(TABLES.values()))
    yield made
    made.close()


def reopened(store: SqliteTables, owner: str = "") -> DeviceRegistry:
    rows = (store.latest(each) for each in TABLES_OF_DEVICES)
    return DeviceRegistry(store.insert, *rows, owner=owner)


@pytest.mark.parametrize("kind", ["mqtt", "board", "csi", "camera", "service"])
def test_a_removed_device_is_gone_and_comes_back_as_a_new_one(
    store: SqliteTables, kind: str
) -> None:
    registry = DeviceRegistry(store.insert)
    registry.seen("a", NOW, kind=kind)
    registry.set("a", NOW, name="Attic", config={"tags": ["old"], "silence_seconds": 9})
    registry.configure("a", {"read_seconds": 5}, NOW)
    registry.answered("a", Answer(version=1, reported={"read_seconds": 5}), NOW)
    registry.remove("a", NOW + 1)
    with pytest.raises(ConfigError, match="no device"):
        registry.get("a")
    assert len(reopened(store)) == 0
    (change,) = registry.seen("a", NOW + 2, kind=kind)
    assert change.what == "registered"
    for known in (registry, reopened(store)):
        record = known.get("a")
        assert (record.name, record.tags, record.silence) == ("a", [], 300)
        assert record.configuration.state == "none"
    registry.configure("a", {"read_seconds": 7}, NOW + 3)
    assert reopened(store).get("a").configuration.state == "pending"


def test_nobody_is_removed_who_is_not_there(store: SqliteTables) -> None:
    with pytest.raises(ConfigError, match="no device"):
        DeviceRegistry(store.insert).remove("a", NOW)
    assert store.rows("device_settings") == []


def test_other_programs_take_a_removal_over_once_whatever_their_clocks_say(
    store: SqliteTables,
) -> None:
    hears = DeviceRegistry(store.insert, owner="climate")
    hears.seen("a", NOW)
    reopened(store).remove("a", NOW + 100)  # its clock leads
    for _ in range(3):
        hears.adopt(store.rows("device_settings"))
    assert len(hears) == 0
    hears.seen("a", NOW + 2)
    for _ in range(3):
        hears.adopt(store.rows("device_settings"))
        hears.refresh(store.rows("device_registry"))
    assert len(hears) == 1
    assert len(reopened(store)) == 1


def test_what_a_broker_is_to_forget_is_told_once_to_who_hears_the_device(
    store: SqliteTables,
) -> None:
    hears = DeviceRegistry(store.insert, owner="climate")
    hears.seen("a", NOW)
    hears.seen("b", NOW, kind="board")
    for name in ("a", "b"):
        hears.remove(name, NOW + 1)
    assert hears.removals.take_uncleared() == ["a"]
    assert hears.removals.take_uncleared() == []
    assert "a" in reopened(store).removals.take_uncleared()


def test_what_a_broker_kept_of_a_removed_device_is_no_word_of_it(store: SqliteTables) -> None:
    registry = DeviceRegistry(store.insert)
    registry.seen("a", NOW)
    registry.remove("a", NOW + 1)
    assert registry.said("a", "online", NOW + 2, kept=True) == []
    assert reopened(store).said("a", "online", NOW + 2, kept=True) == []
    assert len(registry) == 0
    (change,) = registry.said("a", "online", NOW + 3)
    assert change.what == "registered"


def test_data_is_kept_unless_it_is_to_be_forgotten(store: SqliteTables) -> None:
    registry = DeviceRegistry(store.insert)
    for name in ("a", "b"):
        registry.seen(name, NOW)
        registry.set(name, NOW, name="Ann's room")
        row = {"device_id": name, "timestamp": NOW, "value": 20.0}
        store.insert("sensor_temperature", [row])
    assert erase(store, "a", registry.remove("a", NOW + 1), data=False) == 0
    assert len(store.rows("sensor_temperature")) == 2
    registry.seen("a", NOW + 2)
    assert erase(store, "a", registry.remove("a", NOW + 3), data=True) == 1
    for table in TABLES:
        rows = store.rows(table, device="a")
        assert [row["name"] for row in rows] == ([""] if table == "device_settings" else [])
    assert [row["device_id"] for row in store.rows("sensor_temperature")] == ["b"]
    assert [each.device_id for each in reopened(store).devices()] == ["b"]


@pytest.mark.parametrize("seed", range(20))
def test_programs_that_share_tables_agree_in_the_end(store: SqliteTables, seed: int) -> None:
    chance, now = random.Random(seed), NOW
    hears, people = DeviceRegistry(store.insert, owner="climate"), DeviceRegistry(store.insert)
    for _ in range(60):
        now += chance.choice((0.0, 0.01, 1.0))
        name = chance.choice("abc")
        acts = chance.randrange(4)
        if acts == 0:
            hears.seen(name, now)
        elif acts == 1 and name in {each.device_id for each in people.devices()}:
            people.remove(name, now)
        elif acts == 2 and name in {each.device_id for each in people.devices()}:
            people.set(name, now, name=f"{now}")
        else:
            hears.adopt(store.rows("device_settings"))
            people.refresh(store.rows("device_registry"))
    now += 1
    hears.flush(now)
    for registry in (hears, people):
        registry.adopt(store.rows("device_settings"))
        registry.refresh(store.rows("device_registry"))
    told = [(each.device_id, each.name) for each in hears.devices()]
    assert told == [(each.device_id, each.name) for each in people.devices()]
    assert told == [(each.device_id, each.name) for each in reopened(store).devices()]
