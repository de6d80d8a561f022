"""Who is there, as far as is known."""

from collections.abc import Sequence

import pytest

from edgeflow.devices.configuration import Answer
from edgeflow.devices.registry import DeviceRegistry
from edgeflow.errors import ConfigError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables
from edgeflow.store.tables import Row

NOW = 1_750_000_000.0


class Written:
    """Keeps what a registry writes."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {}

    def __call__(self, table: str, rows: Sequence[Row]) -> None:
        self.tables.setdefault(table, []).extend(rows)

    @property
    def rows(self) -> list[Row]:
        return self.tables.get("device_registry", [])


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

    registry = DeviceRegistry(store.insert)
    registry.seen("a", NOW)
    registry.set("a", NOW, name="Attic", location="Top", config={"groups": ["north"]})
    for second in range(100):
        registry.seen("a", NOW + second)
    registry.flush(NOW + 100)
    again = DeviceRegistry(store.insert, store.latest("device_registry"))
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


def test_what_one_program_sets_no_other_overwrites() -> None:
    store = SqliteTables(":memory:")
    store.create(list(TABLES.values()))
    hearing = DeviceRegistry(store.insert)
    hearing.seen("a", NOW)
    asking = DeviceRegistry(store.insert, store.latest("device_registry"))
    asking.set("a", NOW + 1, name="Attic", config={"tags": ["loud"]})
    hearing.seen("a", NOW + 60)
    assert store.latest("device_registry")[0]["name"] == "a"
    assert hearing.adopt(store.latest("device_settings")) == ["a"]
    assert hearing.adopt(store.latest("device_settings")) == []
    hearing.seen("a", NOW + 120)
    (row,) = store.latest("device_registry")
    assert (row["name"], row["last_seen"], row["config"]) == (
        "Attic",
        NOW + 120,
        {"tags": ["loud"]},
    )
    later = DeviceRegistry(store.insert, (), store.latest("device_settings"))
    later.seen("a", NOW + 200)
    store.close()
    assert later.get("a").name == "Attic"


def test_settings_of_others_that_make_no_sense_are_ignored(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW)
    row = {"device_id": "a", "timestamp": NOW + 1, "name": "x", "location": "y"}
    assert registry.adopt([row | {"config": {"silence_seconds": -1}}]) == []
    assert registry.get("a").name == "a"


def test_each_kind_of_sensor_has_its_own_limit_and_speaks_up_again(
    registry: DeviceRegistry,
) -> None:
    for sensor in ("temperature", "audio"):
        registry.seen("a", NOW, sensor=sensor)
    registry.set("a", NOW, config={"sensor_silence": {"audio": 20}})
    (change,) = registry.check(NOW + 21)
    assert (change.what, change.is_alert) == ("silent", True)
    assert registry.get("a").silent == {"audio"}
    (change,) = registry.seen("a", NOW + 22, sensor="audio")
    assert (change.what, change.is_alert) == ("heard", False)
    assert registry.check(NOW + 23) == []


def test_a_device_that_says_it_fails_is_told_once(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW)
    (change,) = registry.seen("a", NOW + 1, failure="stalled")
    assert (change.what, change.why) == ("failed", "stalled")
    assert registry.seen("a", NOW + 2, failure="stalled") == []
    assert registry.seen("a", NOW + 3) == []
    (change,) = registry.seen("a", NOW + 4, failure="")
    assert change.what == "recovered"


def test_what_a_broker_kept_of_a_known_device_is_no_sign_of_life(
    registry: DeviceRegistry,
) -> None:
    (change,) = registry.said("a", "online", NOW, kept=True)
    assert change.what == "registered"
    registry.said("a", "offline", NOW + 1)
    assert registry.said("a", "online", NOW + 500, kept=True) == []
    assert not registry.get("a").online
    assert registry.get("a").last_seen == NOW


def test_a_configuration_is_pending_until_the_device_answers(
    registry: DeviceRegistry, written: Written
) -> None:
    registry.seen("a", NOW)
    assert registry.configuration("a").state == "none"
    asked = registry.configure("a", {"read_seconds": 5}, NOW)
    assert (asked.state, asked.version, asked.desired) == ("pending", 1, {"read_seconds": 5})
    assert [each.version for each in registry.take_unsent()] == [1]
    assert registry.take_unsent() == []
    answer = Answer(version=1, reported={"read_seconds": 5.0, "speed": 40})
    (change,) = registry.answered("a", answer, NOW + 1)
    assert (change.what, change.why) == ("configured", "version 1")
    assert registry.answered("a", answer, NOW + 2) == []
    assert registry.configuration("a").state == "applied"
    assert registry.get("a").acknowledged == {"read_seconds": 5.0, "speed": 40}
    states = [row["state"] for row in written.tables["device_configurations"]]
    assert states == ["pending", "applied"]


def test_a_refused_configuration_says_why_and_the_next_one_is_merged(
    registry: DeviceRegistry,
) -> None:
    registry.seen("a", NOW)
    registry.configure("a", {"read_seconds": 1, "speed": 20}, NOW)
    (change,) = registry.answered("a", Answer(version=1, refused="read_seconds"), NOW)
    assert (change.what, change.is_alert) == ("refused", True)
    assert registry.configuration("a").reason == "the device refused read_seconds"
    asked = registry.configure("a", {"read_seconds": None}, NOW)
    assert (asked.version, asked.desired, asked.state) == (2, {"speed": 20}, "pending")
    registry.answered("a", Answer(version=1, reported={"speed": 20}), NOW)
    assert registry.configuration("a").state == "pending"


def test_pending_configurations_are_sent_after_a_restart_and_answered_ones_are_not() -> None:
    store = SqliteTables(":memory:")
    store.create(list(TABLES.values()))
    registry = DeviceRegistry(store.insert)
    for name in ("a", "b"):
        registry.seen(name, NOW)
        registry.configure(name, {"speed": 20}, NOW)
    registry.answered("a", Answer(version=1, reported={"speed": 20}), NOW + 1)
    tables = ("device_registry", "device_settings", "device_configurations")
    again = DeviceRegistry(store.insert, *(store.latest(table) for table in tables))
    store.close()
    assert [each.device_id for each in again.take_unsent()] == ["b"]
    assert again.configuration("a").state == "applied"
    assert again.configuration("a").answered == NOW + 1


def test_configurations_and_devices_are_bounded(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW)
    for wrong in ({"x" * 65: 1}, {"a b": 1}, {"x": float("nan")}, {"x": [1]}, {"version": 1}):
        with pytest.raises(ConfigError, match="a: "):
            registry.configure("a", wrong, NOW)
    with pytest.raises(ConfigError, match="too many"):
        registry.configure("a", {f"k{number}": 1 for number in range(65)}, NOW)
    for number in range(200):
        registry.seen("a", NOW, sensor=f"s{number}")
    assert len(registry.get("a").sensors) == 64


def test_tags_and_kinds_choose_devices(registry: DeviceRegistry) -> None:
    registry.seen("a", NOW)
    registry.seen("b", NOW, kind="board")
    registry.set("b", NOW, config={"tags": ["old"]})
    assert [each.device_id for each in registry.devices(tag="old")] == ["b"]
    assert [each.device_id for each in registry.devices(kind="mqtt")] == ["a"]


def test_a_program_says_nothing_of_devices_that_another_one_hears() -> None:
    store = SqliteTables(":memory:")
    store.create(list(TABLES.values()))
    climate = DeviceRegistry(store.insert, owner="climate")
    climate.seen("a", NOW)
    assert [each.device_id for each in climate.devices(owned=True)] == ["a"]
    known = store.latest("device_registry")
    csi = DeviceRegistry(store.insert, known, owner="csi")
    csi.seen("node", NOW + 900, kind="csi")
    assert csi.check(NOW + 1000) == []
    assert csi.get("a").online
    climate.seen("b", NOW + 1000)
    climate.said("a", "offline", NOW + 1000)
    csi.refresh(store.latest("device_registry"))
    assert [(each.device_id, each.online) for each in csi.devices(kind="mqtt")] == [
        ("a", False),
        ("b", True),
    ]
    assert [each.device_id for each in csi.devices(owned=True)] == ["node"]
    csi.flush(NOW + 1001)
    assert {row["owner"] for row in store.latest("device_registry")} == {"climate", "csi"}
    again = DeviceRegistry(store.insert, known, owner="climate")
    (change,) = again.check(NOW + 1000)
    store.close()
    assert (change.device_id, change.what) == ("a", "offline")
