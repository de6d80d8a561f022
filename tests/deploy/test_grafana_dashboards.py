"""The dashboards: well formed, as they are generated, and with something to show of a real week."""

import copy
import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edgeflow.climate.simulate.weather import situation
from edgeflow.deploy.grafana.checking import problems
from edgeflow.deploy.grafana.panels import DATASOURCE, render
from edgeflow.deploy.grafana.writing import DASHBOARDS, rendered, write_dashboards
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore

STACK = Path(__file__).parents[2] / "stack" / "grafana"
ROOMS = ("attic", "bedroom", "it's the hall")
DAY = 86_400.0
NUMBERS = ("Int", "UInt", "Float", "Decimal")

QUERIES = [
    (dashboard.file, panel.title, at)
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for at in range(len(panel.queries))
]


def test_the_files_are_what_is_generated(tmp_path: Path) -> None:
    paths = write_dashboards(tmp_path)
    assert [path.name for path in paths] == [
        "system-overview.json",
        "device-detail.json",
        "ml-metrics.json",
        "system-health.json",
    ]
    for path in paths:
        assert path.read_text() == (STACK / "dashboards" / path.name).read_text(), path.name
    assert {path.name for path in (STACK / "dashboards").iterdir()} == set(rendered())


def test_dashboards_have_what_was_asked_for() -> None:
    assert sum(len(dashboard.panels) for dashboard in DASHBOARDS) >= 40
    assert [(each.refresh, each.since) for each in DASHBOARDS] == [
        ("5s", "6h"),
        ("10s", "24h"),
        ("30s", "24h"),
        ("10s", "6h"),
    ]


def test_provisioning_names_the_same_datasource_and_a_folder() -> None:
    sources = yaml.safe_load((STACK / "provisioning/datasources/clickhouse.yml").read_text())
    (source,) = sources["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATASOURCE
    assert source["secureJsonData"]["password"].startswith("$"), "secrets come from outside"
    folders = yaml.safe_load((STACK / "provisioning/dashboards/default.yml").read_text())
    (provider,) = folders["providers"]
    assert provider["folder"] == "ESP32 IoT System"


def broken(change: Any) -> dict[str, Any]:
    made = copy.deepcopy(render(DASHBOARDS[0]))
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d["panels"][1].update(id=1), "panel id 1 twice"),
        (lambda d: d.update(uid=""), "no uid"),
        (lambda d: d["panels"][1].update(gridPos=d["panels"][0]["gridPos"]), "overlaps"),
        (lambda d: d["panels"][0]["gridPos"].update(x=22), "does not fit"),
        (lambda d: d["panels"][0].update(type="histogram"), "type histogram"),
        (lambda d: d["panels"][0]["targets"][0].update(datasource="ClickHouse"), "datasource"),
        (lambda d: d["panels"][0].update(targets=[]), "asks nothing"),
        (
            lambda d: d["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["steps"].reverse(),
            "threshold",
        ),
        (lambda d: d["panels"][4]["targets"][0].update(rawSql="SELECT 1"), "no column time"),
        (lambda d: d["panels"][4]["targets"][0].update(format=1), "format 1"),
        (lambda d: d["panels"][0]["targets"][0].update(rawSql="SELECT ${room}"), "no variable"),
        (lambda d: d["panels"][0]["targets"][0].update(rawSql="SELECT $__time(x)"), "macro time"),
        (
            lambda d: d["panels"][0]["targets"][0].update(rawSql="SELECT 1 FROM device_registry"),
            "FINAL",
        ),
    ],
)
def test_mistakes_are_found(change: Any, match: str) -> None:
    assert problems(render(DASHBOARDS[0])) == []
    assert any(match in each for each in problems(broken(change)))


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A database with a week of three rooms, of which one stopped an hour ago."""
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    import clickhouse_connect

    folder = str(tmp_path_factory.mktemp("week") / "data")
    store = open_tables(f"chdb:///{folder}")
    store.create(list(TABLES.values()))
    now = time.time()
    for number, room in enumerate(ROOMS):
        live(store, room, number, now - (3600.0 if number == 2 else 0.0))
    surroundings(store, now)
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    yield client
    client.close()
    store.close()


def live(store: TableStore, room: str, number: int, now: float) -> None:
    """Readings each quarter of an hour, a decision each hour, and a person twice a day."""
    rng = np.random.default_rng(number)
    tables: dict[str, list[dict[str, Any]]] = {}
    for at in range(-672, 1):
        when = now + at * 900.0
        felt = situation(when, rng)
        base = {"device_id": room, "timestamp": when, "boot": 1, "sequence": at + 672}
        for table, column, value in (
            ("sensor_temperature", "value", felt.temperature),
            ("sensor_humidity", "value", felt.humidity),
            ("sensor_audio", "sound_volume", felt.sound_volume),
        ):
            tables.setdefault(table, []).append({**base, column: value})
        if at % 4 == 0:
            decide(tables, room, when, felt)
    for table, rows in tables.items():
        store.insert(table, rows)
    device = {"device_id": room, "name": room, "registered_at": now - 7 * DAY, "last_seen": now}
    store.insert("device_registry", [{**device, "is_active": False}])
    seen = {**device, "last_seen": now + 0.001, "is_active": number != 2}
    store.insert("device_registry", [seen])


def decide(tables: dict[str, list[dict[str, Any]]], room: str, when: float, felt: Any) -> None:
    position = float(np.clip(5.0 * (felt.temperature - 12.0), 0.0, 100.0))
    base = {"device_id": room, "timestamp": when, "correlation_id": f"{when:.0f}"}
    used = {
        "temperature": felt.temperature,
        "humidity": felt.humidity,
        "sound_volume": felt.sound_volume,
    }
    confidence = 0.4 + 0.006 * position
    tables.setdefault("window_actions", []).append(
        {**base, **used, "position": position, "confidence": confidence}
    )
    tables.setdefault("ml_predictions", []).append(
        {**base, "prediction": position, "confidence": confidence, "inference_time_ms": 2.0}
        | {"model_version": "v1"}
    )
    asked = {**base, "timestamp": when - 0.25, "trigger_reason": "temperature_zscore"}
    tables.setdefault("inference_history", []).append(asked)
    wanted = {"device_id": room, "timestamp": when + 60.0, "position": position - 7.0, **used}
    tables.setdefault("window_overrides", []).append({**wanted, "person": "anna"})


def surroundings(store: TableStore, now: float) -> None:
    when = [now - 60.0 * minute for minute in range(5)]
    store.insert("dead_letters", [{"timestamp": at, "topic": "x", "reason": "bad"} for at in when])
    store.insert("events", [{"timestamp": at, "kind": "device_offline"} for at in when])
    for service, state in (("broker", "ok"), ("store", "failed")):
        rows = [
            {"device_id": "backend", "timestamp": at, "service": service, "state": state}
            for at in when
        ]
        store.insert("health", [{**row, "value": 4.0} for row in rows])


def asked(client: Any, dashboard: str, title: str, at: int) -> Any:
    """The answer to a panel's query, with macros as the plugin of Grafana replaces them."""
    (own,) = [each for each in DASHBOARDS if each.file == dashboard]
    (panel,) = [each for each in own.panels if each.title == title]
    span = {"6h": 0.25 * DAY, "24h": DAY}[own.since]
    until = time.time()
    return panel, client.query(expanded(panel.queries[at], until - span, until, span / 1000))


def expanded(query: str, since: float, until: float, interval: float) -> str:
    first, last = (f"fromUnixTimestamp64Milli({round(each * 1000)})" for each in (since, until))
    query = re.sub(r"\$__timeFilter_ms\(([\w.]+)\)", rf"\1 >= {first} AND \1 <= {last}", query)
    query = re.sub(
        r"\$__timeInterval\(([\w.]+)\)",
        rf"toStartOfInterval(toDateTime(\1), INTERVAL {max(1, int(interval))} second)",
        query,
    )
    quoted = ROOMS[0].replace("'", "''")
    query = query.replace("${device:sqlstring}", f"'{quoted}'")
    assert "$" not in query, query
    return query


@pytest.mark.parametrize(("dashboard", "title", "at"), QUERIES)
def test_each_panel_has_something_to_show(week: Any, dashboard: str, title: str, at: int) -> None:
    panel, answer = asked(week, dashboard, title, at)
    names, types = answer.column_names, [each.name for each in answer.column_types]
    rows = answer.result_rows
    assert rows, "nothing to show"
    numbers = [name for name, kind in zip(names, types, strict=True) if is_number(kind)]
    texts = [name for name, kind in zip(names, types, strict=True) if "String" in kind]
    if panel.kind == "timeseries":
        assert names[0] == "time"
        assert "DateTime" in types[0]
        assert numbers
        assert len(texts) <= 1
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    elif panel.kind in ("stat", "gauge"):
        assert numbers
        assert len(texts) <= 1
    elif panel.kind in ("piechart", "barchart"):
        assert (names[0], len(numbers)) == (texts[0], 1)
        assert len({row[0] for row in rows}) == len(rows)
    elif panel.kind == "xychart":
        assert tuple(names) == panel.pairs
        assert numbers == list(names)
    elif panel.colored:
        assert panel.colored in numbers
    for row in rows:
        for value in row:
            assert not (isinstance(value, float) and math.isnan(value)), row


def is_number(kind: str) -> bool:
    return kind.removeprefix("Nullable(").startswith(NUMBERS)


def shown(week: Any, dashboard: str, title: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in asked(week, dashboard, title, 0)[1].result_rows]


def test_numbers_are_the_ones_that_were_stored(week: Any) -> None:
    assert shown(week, "system-overview", "Active Devices") == [(2,)]
    warm = shown(week, "system-overview", "Latest Temperature (All Devices)")
    assert [row[0] for row in warm] == ["attic", "bedroom"], "the third is silent for an hour"
    assert len(shown(week, "system-overview", "Current Window Position (All Devices)")) == 3
    assert shown(week, "system-health", "Healthy Devices (Last 5 min)") == [(2,)]
    assert shown(week, "system-health", "Total Devices Registered") == [(3,)]
    states = {row[0]: row[2] for row in shown(week, "system-health", "Device Status")}
    assert states == {"attic": "Healthy", "bedroom": "Healthy", "it's the hall": "Critical"}
    (error,) = shown(week, "ml-metrics", "Error against People")
    assert error[0] == pytest.approx(7.0)
    took = shown(week, "ml-metrics", "From Request to Decision")
    assert {row[1] for row in took} == {250.0}
    related = dict(shown(week, "ml-metrics", "Correlation of Features with the Window Position"))
    assert related["temperature"] > 0.9
    assert abs(related["sound_volume"]) < 0.5
    services = {row[0]: row[1] for row in shown(week, "system-health", "Service Status")}
    assert services == {"broker": "ok", "store": "failed"}


def test_the_written_files_are_json() -> None:
    for text in rendered().values():
        told = json.loads(text)
        assert told["schemaVersion"] >= 39
