"""Tables on a ClickHouse server: one that is killed under load, one that says no."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import StoreError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.clickhouse_client import ClickHousePlace
from edgeflow.store.opening import open_tables, without_password
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from servers import free_port

START = 1_750_000_000.0 // 3600 * 3600
PATIENCE = 60.0


def batch(number: int) -> list[dict[str, object]]:
    """Rows that are told apart by their value, and every second one by its sequence too."""
    return [
        {
            "device_id": f"room-{at % 3}",
            "timestamp": START + number,
            "value": float(at),
            "sequence": at if at % 2 else -1,
        }
        for at in range(50 * number, 50 * number + 50)
    ]


def test_a_server_that_is_killed_and_comes_back_has_each_accepted_row_once(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    from clickhouse_facade import running

    with running(tmp_path / "data", free_port()) as server:
        store = open_tables(server.url)
        store.create([TABLES["sensor_temperature"], TABLES["dead_letters"]])
        writer = SpooledWriter(store, Spool(tmp_path / "spool"))
        accepted = 0
        for number in range(60):
            writer.append("sensor_temperature", batch(number))
            accepted += 50
            if number in (20, 40):
                wait_until_stored(writer, 50 * (number - 15))
                server.kill()
            if number in (30, 50):
                server.start()
        assert writer.flush(PATIENCE)
        writer.close()
        values = [row["value"] for row in store.rows("sensor_temperature", limit=10_000)]
        minutes = store.series("sensor_temperature", "value", step=60.0)
        store.close()
    assert sorted(values) == [float(number) for number in range(accepted)]
    assert sum(each.count for each in minutes) == accepted
    assert writer.stats.refused == 0


def test_rows_that_arrived_without_their_rollups_get_them(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    import clickhouse_connect

    from clickhouse_facade import USER, running

    with running(tmp_path / "data", free_port()) as server:
        store = open_tables(server.url)
        store.create([TABLES["sensor_temperature"]])
        client = clickhouse_connect.get_client(
            host="127.0.0.1",
            port=server.port,
            username=USER,
            password=server.password,
            database="iot",
        )
        client.command("DETACH TABLE sensor_temperature_minute_filling")
        with server.losing_answers(), pytest.raises(StoreError):
            store.insert("sensor_temperature", batch(0), token="1-0")
        client.command("ATTACH TABLE sensor_temperature_minute_filling")
        store.insert("sensor_temperature", batch(0), token="1-0")
        assert len(store.rows("sensor_temperature")) == 50
        minutes = store.series("sensor_temperature", "value", step=60.0)
        assert sum(each.count for each in minutes) == 50
        client.close()
        store.close()


def wait_until_stored(writer: SpooledWriter, rows: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while writer.stats.stored < rows:
        assert time.monotonic() < deadline, writer.stats
        time.sleep(0.01)


def test_a_server_tells_who_may_not(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    from clickhouse_facade import running

    with running(tmp_path / "data", free_port()) as server:
        store = open_tables(server.url.replace("secret", "guess"))
        with pytest.raises(StoreError, match="Authentication") as caught:
            store.create([TABLES["events"]])
        store.close()
        assert "guess" not in str(caught.value)


def test_many_may_make_the_same_tables_at_once(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    from concurrent.futures import ThreadPoolExecutor

    from clickhouse_facade import running

    with running(tmp_path / "data", free_port()) as server:
        stores = [open_tables(server.url) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            made = [threads.submit(each.create, [TABLES["sensor_audio"]]) for each in stores]
            for each in made:
                each.result(PATIENCE)
        for each in stores:
            each.insert("sensor_audio", [{"device_id": "a", "timestamp": START}])
        assert len(stores[0].rows("sensor_audio")) == 4
        for each in stores:
            each.close()


def test_a_server_that_is_not_there_is_told() -> None:
    pytest.importorskip("clickhouse_connect", reason="pip install 'edgeflow[clickhouse]'")
    store = open_tables(f"clickhouse://127.0.0.1:{free_port()}/iot")
    with pytest.raises(StoreError, match=r"clickhouse://127\.0\.0\.1"):
        store.create([TABLES["events"]])
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.create([TABLES["events"]])


def test_a_table_of_another_make_is_refused_by_name(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    import clickhouse_connect

    folder = str(tmp_path / "data")
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    client.command("CREATE TABLE events (device_id UInt8) ENGINE = MergeTree ORDER BY device_id")
    client.close()
    store = open_tables(f"chdb:///{folder}")
    with pytest.raises(StoreError, match="device_id UInt8, not String"):
        store.create([TABLES["events"]])
    store.close()


def test_a_folder_that_another_process_has_open_is_told(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    from clickhouse_facade import running

    with running(tmp_path / "data", free_port()):
        store = open_tables(f"chdb:///{tmp_path / 'data'}")
        with pytest.raises(StoreError, match="another process"):
            store.create([TABLES["events"]])
        store.close()


def test_this_process_has_one_folder_open(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    first, second = (open_tables(f"chdb:///{tmp_path / name}") for name in ("one", "two"))
    first.create([TABLES["events"]])
    with pytest.raises(StoreError, match="one folder of chdb"):
        second.create([TABLES["events"]])
    first.close()
    second.create([TABLES["events"]])
    second.close()


def test_rows_go_when_they_are_old_enough(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    import clickhouse_connect

    folder = str(tmp_path / "data")
    store = open_tables(f"chdb:///{folder}?keep_days=30")
    store.create([TABLES["sensor_temperature"]])
    old, now = time.time() - 40 * 86_400, time.time()
    for at in (old, now):
        store.insert("sensor_temperature", [{"device_id": "a", "timestamp": at, "value": 1.0}])
    store.close()
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    client.command("OPTIMIZE TABLE sensor_temperature FINAL")
    client.close()
    store = open_tables(f"chdb:///{folder}?keep_days=30")
    store.create([TABLES["sensor_temperature"]])
    assert [row["timestamp"] for row in store.rows("sensor_temperature")] == [round(now, 3)]
    assert len(store.series("sensor_temperature", "value", step=3600.0)) == 2, "rolled up stays"
    store.close()


def test_how_long_rows_are_kept_can_be_changed(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    import clickhouse_connect

    folder = str(tmp_path / "data")
    described = []
    for options in ("", "?keep_days=30", "?keep_days=60", ""):
        store = open_tables(f"chdb:///{folder}{options}")
        store.create([TABLES["events"]])
        store.close()
        client = clickhouse_connect.get_client(interface="chdb", path=folder)
        described.append(
            client.command("SELECT engine_full FROM system.tables WHERE name='events'")
        )
        client.close()
    assert ["TTL" in each for each in described] == [False, True, True, False]
    assert "toIntervalDay(60)" in described[2]


def test_a_table_that_others_made_gets_tokens(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    import clickhouse_connect

    folder = str(tmp_path / "data")
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    client.command(
        "CREATE TABLE events (device_id String, timestamp DateTime64(3)) "
        "ENGINE = MergeTree ORDER BY (device_id, timestamp)"
    )
    client.close()
    store = open_tables(f"chdb:///{folder}")
    store.create([TABLES["events"]])
    for _ in range(2):
        store.insert("events", [{"device_id": "a", "timestamp": START}], token="1")
    assert len(store.rows("events")) == 1
    store.close()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "clickhouse://me:p%40ss@db.example:9123/iot?keep_days=7",
            ClickHousePlace("", "db.example", 9123, "me", "p@ss", "iot", keep_days=7),
        ),
        ("clickhouse://db", ClickHousePlace("", "db")),
        (
            "clickhouse://db/x?secure=true",
            ClickHousePlace("", "db", 8443, "default", "", "x", True),
        ),
        ("chdb:///home.chdb", ClickHousePlace("home.chdb")),
        ("chdb:////var/home.chdb", ClickHousePlace("/var/home.chdb")),
    ],
)
def test_places_by_url(url: str, place: ClickHousePlace) -> None:
    assert ClickHousePlace.from_url(url) == place
    assert "p@ss" not in repr(place)


def test_a_url_is_shown_without_its_password() -> None:
    assert without_password("clickhouse://me:s3@db:1/iot?x=1") == "clickhouse://me:***@db:1/iot?x=1"
    assert without_password("clickhouse://me:a@b/c@db/iot") == "clickhouse://me:***@db/iot"
    for url in ("sqlite:///home.db", "sqlite://:memory:", "clickhouse://me@db/iot"):
        assert without_password(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://me:secret@db:port/iot",
        "clickhouse://me:secret@db/iot?keep=1",
        "clickhouse://me:secret@db/iot?keep_days=-1",
        "clickhouse://me:secret@db/iot?keep_days=soon",
        "chdb://",
        "chdb://host/path",
        "clickhous://me:secret@db",
        "nothing",
    ],
)
def test_urls_that_make_no_sense(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_tables(url)
    assert "secret" not in str(caught.value)


@given(st.sampled_from(["clickhouse://", "chdb://", "chdb:///"]), st.text(max_size=40))
def test_any_text_is_a_place_or_refused(scheme: str, rest: str) -> None:
    try:
        place = ClickHousePlace.from_url(scheme + rest)
    except StoreError:
        return
    assert bool(place.path) == scheme.startswith("chdb")
    assert bool(place.host) != bool(place.path)
    assert 1 <= place.port <= 65535
