"""Who is there, as far as is known."""

from collections.abc import Sequence

import pytest

from edgeflow.devices.registry import DeviceRegistry
from edgeflow.errors import ConfigError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables
from edgeflow.store.tables import Row

NOW = 1_750_000_000.0


class Written:
    """Keeps what a registry writes."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __call__(self, rows: Sequence[Row]) -> None:
        self.rows += rows


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def registry(written: Written) -> DeviceRegistry:
    return DeviceRegistry(written)


def test_the_first_message_registers_a_device(registry: DeviceRegistry, written: Written) -> None:
    (change,) = registry.seen("a", NOW, sensor="temperature")
    assert change.what == "registered"
    record = registry.get("a")
    assert (record.name, record.location, record.online) == ("a", "Unknown", True)
    assert len(written.rows) == 1


def test_what_people_set_survives_messages_and_restarts() -> None:
    store = SqliteTables(":memory:")
    store.create(list(TABLES.values()))

    def write(rows: Sequence[Row]) -> None:
        store.insert("device_registry", rows)

    registry = DeviceRegistry(write)
    registry.seen("a", NOW)
    registry.set("a", NOW, name="Attic", location="Top", config={"groups": ["north"]})
    for second in range(100):
        registry.seen("a", NOW + second)
    registry.flush(NOW + 100)
    again = DeviceRegistry(write, store.latest("device_registry"))
    store.close()
    record = again.get("a")
    assert (record.name, record.location, record.groups) == ("Attic", "Top", ["north"])
    assert record.registered_at == NOW
    assert record.last_seen == NOW + 99


def test_being_seen_is_written_twice_a_minute(registry: DeviceRegistry, written: Written) -> None:
    for tenth in range(1200):
        registry.seen("a", NOW + tenth / 10)
    assert len(written.rows) == 4
    registry.flush(NOW + 120)
    assert written.rows[-1]["last_seen"] == NOW + 119.9


def test_silence_makes_a_device_offline_once_and_a_word_brings_it_back(
    registry: DeviceRegistry,
) -> None:
    registry.seen("a", NOW)
    assert registry.check(NOW + 300) == []
    (change,) = registry.check(NOW + 301)
    assert (change.what, change.why) == ("offline", "nothing for 301 s")
    assert registry.check(NOW + 400) == []
    assert not registry.get("a").online
    (change,) = registry.seen("a", NOW + 500)
    assert change.what == "online"


def test_a_last_will_is_believed_at_once(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW)
    (change,) = registry.said("a", "offline", NOW + 1)
    assert change.what == "offline"
    assert registry.said("a", "offline", NOW + 2) == []
    (change,) = registry.said("a", "online", NOW + 3)
    assert change.what == "online"
    assert registry.said("never-heard", "offline", NOW) == []


def test_one_silent_sensor_of_a_device_that_goes_on(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW, sensor="audio")
    registry.set("a", NOW, config={"silence_seconds": 60})
    for second in range(0, 100, 10):
        registry.seen("a", NOW + second, sensor="temperature")
    (change,) = registry.check(NOW + 95)
    assert (change.what, change.why) == ("silent", "audio: nothing for 95 s")
    assert registry.check(NOW + 96) == []
    assert registry.get("a").online


def test_groups_choose_devices(registry: DeviceRegistry) -> None:
    for name in ("b", "a", "c"):
        registry.seen(name, NOW)
    registry.set("a", NOW, config={"groups": ["north"]})
    registry.set("c", NOW, config={"groups": ["north", "top"]})
    assert [each.device_id for each in registry.devices(group="north")] == ["a", "c"]
    registry.set("c", NOW, config={"groups": None})
    assert [each.device_id for each in registry.devices(group="north")] == ["a"]


@pytest.mark.parametrize(
    "config",
    [
        {"silence_seconds": 0},
        {"silence_seconds": "long"},
        {"tags": "one"},
        {"groups": [""]},
        {"groups": ["x"] * 33},
        {"desired": 5},
    ],
)
def test_settings_that_make_no_sense_are_refused(
    registry: DeviceRegistry, config: dict[str, object]
) -> None:
    registry.seen("a", NOW)
    with pytest.raises(ConfigError, match="a: "):
        registry.set("a", NOW, config=config)
    assert registry.get("a").config == {}


def test_an_unknown_device_is_named_with_a_hint(registry: DeviceRegistry) -> None:
    registry.seen("bedroom", NOW)
    with pytest.raises(ConfigError, match="bedrom"):
        registry.set("bedrom", NOW, name="x")


def test_what_is_given_out_is_a_copy(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW)
    registry.get("a").config["groups"] = ["hacked"]
    assert registry.get("a").groups == []


def test_a_configuration_is_acknowledged(registry: DeviceRegistry) -> None:
    registry.acknowledge("a", {"interval": 5}, NOW)
    assert registry.get("a").acknowledged == {"interval": 5}
