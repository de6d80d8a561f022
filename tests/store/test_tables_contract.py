"""What every store of tables does, whatever holds them."""

import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeflow.climate.triggers import Decision
from edgeflow.climate.zscore import ZscoreTrigger
from edgeflow.errors import ConfigError, StoreError
from edgeflow.protocols.climate import Features
from edgeflow.store.catalogue import TABLES, table_named
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import Bucket, Column, Table, TableStore

START = 1_750_000_000.0 // 3600 * 3600
USED = [
    TABLES[name]
    for name in (
        "sensor_temperature",
        "sensor_audio",
        "sensor_readings",
        "csi_vitals",
        "device_registry",
    )
]


@pytest.fixture(params=["sqlite", "chdb"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], TableStore]:
    """What opens the same store again."""
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    return lambda: open_tables(f"{request.param}:///{tmp_path / 'readings'}")


@pytest.fixture
def store(opened: Callable[[], TableStore]) -> Iterator[TableStore]:
    made = opened()
    made.create(USED)
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


def test_rows_come_back_as_they_were(store: TableStore) -> None:
    row = {
        "device_id": "a",
        "timestamp": START + 0.125,
        "sample_rate": 16_000,
        "duration": 2.0,
        "format": "wav",
        "audio_hash": "ab" * 32,
        "sound_volume": -40.5,
        "features": {"silent": False},
        "sequence": 3,
        "boot": 7,
    }
    store.insert("sensor_audio", [row])
    assert store.rows("sensor_audio") == [row]


def test_what_a_row_does_not_have_is_not_a_number(store: TableStore) -> None:
    store.insert("csi_vitals", [{"device_id": "n1", "timestamp": START, "presence": True}])
    (row,) = store.rows("csi_vitals")
    assert row["presence"] is True
    assert math.isnan(row["breathing_bpm"])


def test_the_newest_rows_of_a_stretch_oldest_first(store: TableStore) -> None:
    store.insert("sensor_temperature", [reading("a", at, float(at)) for at in range(10)])
    store.insert("sensor_temperature", [reading("b", 5.0, 99.0)])
    found = store.rows("sensor_temperature", device="a", since=START + 2, until=START + 8, limit=3)
    assert [row["value"] for row in found] == [5.0, 6.0, 7.0]


def test_a_redelivered_row_is_kept_once_and_rolled_up_once(store: TableStore) -> None:
    rows = [reading("a", at, 1.0, sequence=at) for at in range(5)]
    store.insert("sensor_temperature", rows)
    store.insert("sensor_temperature", [*rows, reading("a", 9.0, 1.0, sequence=9)])
    assert len(store.rows("sensor_temperature")) == 6
    (minute,) = store.series("sensor_temperature", "value", step=60.0)
    assert minute.count == 6


def test_a_batch_with_the_same_token_is_kept_once(store: TableStore) -> None:
    for _ in range(2):
        store.insert("sensor_temperature", [reading("a", 0.0, 1.0)], token="1-0")
    store.insert("sensor_temperature", [reading("a", 0.0, 1.0)], token="1-64")
    assert len(store.rows("sensor_temperature")) == 2


def test_rows_without_a_sequence_are_all_kept(store: TableStore) -> None:
    for _ in range(2):
        store.insert("sensor_temperature", [reading("a", 0.0, 1.0)] * 2)
    assert len(store.rows("sensor_temperature")) == 4
    (minute,) = store.series("sensor_temperature", "value", step=60.0)
    assert minute.count == 4


@pytest.mark.parametrize("step", [1.0, 60.0, 300.0, 3600.0])
def test_steps_are_the_same_from_rows_and_from_rollups(store: TableStore, step: float) -> None:
    values = [math.sin(at / 100.0) for at in range(4000)]
    for at in range(0, 4000, 500):
        rows = [reading("a", float(n), values[n]) for n in range(at, at + 500)]
        store.insert("sensor_temperature", rows)
    found = store.series("sensor_temperature", "value", step=step)
    for bucket in found:
        first = round(bucket.time - START)
        part = values[first : first + round(step)]
        assert bucket.count == len(part)
        assert bucket.mean == pytest.approx(sum(part) / len(part))
        assert (bucket.least, bucket.most) == (min(part), max(part))
    assert sum(bucket.count for bucket in found) == 4000


def test_series_tell_devices_apart(store: TableStore) -> None:
    store.insert("sensor_temperature", [reading("a", 1.0, 1.0), reading("b", 2.0, 3.0)])
    assert store.series("sensor_temperature", "value", step=60.0, device="b") == [
        Bucket("b", START, 3.0, 3.0, 3.0, 1)
    ]


@pytest.mark.parametrize("step", [1.0, 60.0, 3600.0])
def test_rows_of_all_devices_are_counted_by_time(store: TableStore, step: float) -> None:
    rows = [reading(f"d{at % 7}", float(at), 1.0) for at in range(0, 4000, 3)]
    store.insert("sensor_temperature", rows)
    found = store.counts("sensor_temperature", step=step, since=START + 600, until=START + 3000)
    wanted: dict[float, int] = {}
    for at in range(600, 3000, 3):
        begin = START + at // step * step
        wanted[begin] = wanted.get(begin, 0) + 1
    if step == 3600.0:  # the whole hour is one row of the rollup
        wanted = {START: 1200}
    assert found == sorted(wanted.items())
    series = store.series(
        "sensor_temperature", "value", step=step, since=START + 600, until=START + 3000
    )
    assert sum(bucket.count for bucket in series) == sum(wanted.values())


def test_rows_without_a_measure_are_counted_by_what_they_say(store: TableStore) -> None:
    rows = [
        {"device_id": "a", "timestamp": START + at, "kind": kind}
        for at, kind in enumerate(("co2", "lux", "co2"))
    ]
    store.insert("sensor_readings", rows)
    assert store.counts("sensor_readings", step=60.0) == [(START, 3)]
    assert store.counts("sensor_readings", step=60.0, where={"kind": "co2"}) == [(START, 2)]
    assert store.counts("sensor_temperature", step=60.0) == []


def test_other_kinds_of_sensors_are_told_apart_by_what_they_are(store: TableStore) -> None:
    rows = [
        {"device_id": "a", "timestamp": START, "kind": kind, "value": value}
        for kind, value in (("co2", 800.0), ("lux", 20.0))
    ]
    store.insert("sensor_readings", rows)
    found = store.series("sensor_readings", "value", step=60.0, where={"kind": "co2"})
    assert [bucket.mean for bucket in found] == [800.0]


def test_the_latest_of_each_device(store: TableStore) -> None:
    store.insert(
        "sensor_temperature",
        [reading("b", 3.0, 3.0), reading("a", 1.0, 1.0), reading("b", 2.0, 2.0)],
    )
    assert [row["value"] for row in store.latest("sensor_temperature")] == [1.0, 3.0]
    assert [row["device_id"] for row in store.latest("sensor_temperature", since=START + 2.5)] == [
        "b"
    ]
    assert store.latest("sensor_audio") == []


def test_an_aggregate_has_the_deviation_of_the_population(store: TableStore) -> None:
    values = (20.0, 21.0, 25.0, math.nan)
    rows = [reading("a", at, value) for at, value in enumerate(values)]
    store.insert("sensor_temperature", rows)
    found = store.aggregate("sensor_temperature", "value", device="a")
    assert (found.count, found.mean, found.least, found.most) == (3, 22.0, 20.0, 25.0)
    assert found.deviation == pytest.approx(math.sqrt(14 / 3))
    assert store.aggregate("sensor_temperature", "value", device="b").count == 0


@pytest.mark.parametrize("name", ["it's; DROP TABLE x --", "\u00e9\\\\n\t{a:String}", "x" * 5000])
def test_names_are_only_texts(store: TableStore, name: str) -> None:
    store.insert("sensor_readings", [{"device_id": name, "timestamp": START, "kind": name}])
    assert len(store.rows("sensor_readings", device=name, where={"kind": name})) == 1
    assert store.latest("sensor_readings")[0]["device_id"] == name
    assert store.rows("sensor_readings", device="other") == []


def test_a_registry_keeps_the_newest_of_each_device(store: TableStore) -> None:
    for seen in (1.0, 2.0):
        store.insert(
            "device_registry",
            [{"device_id": "a", "name": "Attic", "last_seen": START + seen, "is_active": True}],
        )
    (row,) = store.latest("device_registry")
    assert (row["last_seen"], row["name"]) == (START + 2.0, "Attic")


def test_old_rows_go_and_what_is_rolled_up_stays(store: TableStore) -> None:
    store.insert("sensor_temperature", [reading("a", float(at), 1.0) for at in range(100)])
    assert store.forget("sensor_temperature", before=START + 90) == 90
    assert len(store.rows("sensor_temperature")) == 10
    assert sum(each.count for each in store.series("sensor_temperature", "value", step=60)) == 100


@pytest.mark.parametrize("device", ["a", "o'brien\\' OR 1=1 --", "dev/tty"])
def test_a_device_is_forgotten_with_all_that_is_rolled_up_and_no_other(
    store: TableStore, device: str
) -> None:
    table = "sensor_temperature"
    for each in (device, "b"):
        store.insert(table, [reading(each, float(at), 1.0) for at in range(100)])
        store.insert("device_registry", [{"device_id": each, "last_seen": START}])
    assert store.forget_device(table, device) == 100
    assert store.forget_device(table, device) == 0
    assert store.forget_device("device_registry", device) == 1
    assert {row["device_id"] for row in store.rows(table)} == {"b"}
    assert {row["device_id"] for row in store.latest("device_registry")} == {"b"}
    rolled = store.series(table, "value", step=60)
    assert {each.device_id for each in rolled} == {"b"}
    assert sum(each.count for each in rolled) == 100


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda s: s.insert("sensor_temprature", []), "sensor_temperature"),
        (lambda s: s.insert("sensor_temperature", [{"valeu": 1.0}]), "value"),
        (lambda s: s.insert("sensor_temperature", [{"value": "warm"}]), "value"),
        (lambda s: s.insert("sensor_temperature", [{"sequence": 2**80}]), "sequence"),
        (lambda s: s.insert("sensor_temperature", [{"timestamp": 1e12}]), "timestamp"),
        (lambda s: s.series("sensor_temperature", "device_id", step=60), "no number"),
        (lambda s: s.series("sensor_temperature", "value", step=0), "step"),
        (lambda s: s.counts("sensor_temperature", step=0), "step"),
        (lambda s: s.rows("sensor_temperature", where={"x; DROP": "1"}), "no column"),
        (lambda s: s.forget("device_registry", before=0), "registry"),
    ],
)
def test_what_makes_no_sense_is_refused(store: TableStore, call: object, match: str) -> None:
    with pytest.raises((ConfigError, StoreError), match=match):
        call(store)  # type: ignore[operator]
    assert store.rows("sensor_temperature") == []


def test_a_batch_is_kept_whole_or_not_at_all(store: TableStore) -> None:
    with pytest.raises(ConfigError):
        store.insert("sensor_temperature", [reading("a", 0.0, 1.0), {"value": object()}])
    assert store.rows("sensor_temperature") == []


def test_a_new_column_comes_to_an_old_store(opened: Callable[[], TableStore]) -> None:
    old = opened()
    columns = (Column("device_id", "text"), Column("timestamp", "time"))
    old.create([Table("events", columns)])
    old.insert("events", [{"device_id": "a", "timestamp": START}])
    old.close()
    new = opened()
    new.create([table_named("events")])
    (row,) = new.rows("events")
    new.close()
    assert (row["device_id"], row["kind"], row["details"]) == ("a", "", {})


def test_what_was_stored_is_there_after_opening_again(opened: Callable[[], TableStore]) -> None:
    for _ in range(2):
        store = opened()
        store.create(USED)
        store.insert("sensor_temperature", [reading("a", 0.0, 1.0)], token="7-0")
        found = store.rows("sensor_temperature")
        minutes = store.series("sensor_temperature", "value", step=60.0)
        store.close()
        assert (len(found), [each.count for each in minutes]) == (1, [1])


def test_a_closed_store_says_so(store: TableStore) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.rows("sensor_audio")
    with pytest.raises(StoreError, match="closed"):
        store.insert("sensor_temperature", [reading("a", 0.0, 1.0)])


def test_reading_goes_on_while_another_thread_writes(store: TableStore) -> None:
    done = threading.Event()

    def write() -> None:
        for at in range(30):
            rows = [reading("a", at * 100.0 + n, 1.0) for n in range(100)]
            store.insert("sensor_temperature", rows)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while not done.is_set():
        seen.append(store.aggregate("sensor_temperature", "value").count)
    thread.join()
    assert seen == sorted(seen)
    assert all(count % 100 == 0 for count in seen), "batches are seen whole"


def fill(store: TableStore, now: float, temperature: float) -> None:
    """A week of a quiet room, and its last two minutes."""
    store.create([TABLES["sensor_humidity"], TABLES["inference_history"]])
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
def test_z_scores_come_from_the_store(store: TableStore, temperature: float, reason: str) -> None:
    now = START + 8 * 86_400.0
    fill(store, now, temperature)
    store.insert("inference_history", [{"device_id": "a", "timestamp": now - 3600.0}])
    trigger = ZscoreTrigger(store, window=660.0)
    trigger.take("a", "temperature", temperature, now)
    found = trigger.due(now + 1.0)
    assert [decision.reason for decision in found] == ([reason] if reason else [])
    assert trigger.due(now + 30.0) == [], "it looks once a minute"


def test_a_device_without_history_is_decided_on(store: TableStore) -> None:
    now = START + 8 * 86_400.0
    fill(store, now, 20.0)
    trigger = ZscoreTrigger(store)
    trigger.take("a", "temperature", 20.0, now)
    trigger.take("never-heard", "temperature", 20.0, now)
    assert trigger.due(now + 1.0) == [
        Decision("a", now + 1.0, Features(20.0, 50.0, -60.0), "first_inference")
    ]
