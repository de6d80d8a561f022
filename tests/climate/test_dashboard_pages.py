"""The pages of the dashboard say what the panels of Grafana say, whatever keeps the rows."""

import math
import re
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeflow.climate.dashboard.asking import Questions
from edgeflow.climate.dashboard.devices import device_page, latest, shown_device
from edgeflow.climate.dashboard.health import health_page
from edgeflow.climate.dashboard.learning import Model, learning_page
from edgeflow.climate.dashboard.overview import overview_page
from edgeflow.climate.health import ServiceState
from edgeflow.core.climate import LearningPage, ModelRow
from edgeflow.deploy.grafana.writing import DASHBOARDS
from edgeflow.devices.records import DeviceRecord
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore

DAY = 86_400.0
NOW = 1_750_000_000.0 // 3600 * 3600 + 1234.5
ROOMS = ("attic", "it's the hall", "cellar")
NOBODY = Model(models=[], can_change=False, counters={}, drift={})


def day(room: str, number: int) -> dict[str, list[dict[str, Any]]]:
    """A day and a bit: readings each five minutes, decisions each quarter of an hour, a person."""
    rng = np.random.default_rng(number)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for at in range(-300, 0):
        when = round(NOW + 300.0 * at + 7.0 * number, 3)
        base = {"device_id": room, "timestamp": when}
        felt = {
            "temperature": round(21 + 4 * math.sin(at / 40) + rng.normal(0, 0.3), 2),
            "humidity": round(50 + 10 * math.cos(at / 30) + rng.normal(0, 1), 2),
            "sound_volume": round(-50 + rng.normal(0, 4), 2),
        }
        counted = {**base, "boot": 1, "sequence": at + 300}
        rows["sensor_temperature"].append({**counted, "value": felt["temperature"]})
        rows["sensor_humidity"].append({**counted, "value": felt["humidity"]})
        rows["sensor_audio"].append({**counted, "sound_volume": felt["sound_volume"]})
        rows["sensor_readings"].append({**counted, "kind": "co2", "value": 500.0 + at})
        if at % 3 == 0:
            decide(rows, {**base, "correlation_id": f"{room}{at}"}, felt, rng)
    return rows


def decide(
    rows: dict[str, list[dict[str, Any]]],
    base: dict[str, Any],
    felt: dict[str, float],
    rng: np.random.Generator,
) -> None:
    position = round(float(np.clip(8 * (felt["temperature"] - 15), 0, 100)), 2)
    confidence = round(float(rng.uniform(0.3, 0.99)), 4)
    rows["window_actions"].append({**base, **felt, "position": position, "confidence": confidence})
    told = {"inference_time_ms": float(rng.uniform(0.5, 9)), "model_version": "v2"}
    rows["ml_predictions"].append({**base, **told, "confidence": confidence})
    asked = base["timestamp"] - float(rng.uniform(0.01, 0.2))
    reason = str(rng.choice(["temperature", "humidity,temperature"]))
    rows["inference_history"].append({**base, "timestamp": asked, "trigger_reason": reason})
    if rng.random() < 0.3:
        when = base["timestamp"] + float(rng.choice([30.0, 400.0, 700.0]))
        wanted = position + float(rng.choice([-25.0, -6.0, 4.0]))
        said = {"device_id": base["device_id"], "timestamp": when, "person": "ann"}
        rows["window_overrides"].append({**said, "position": wanted})


def fill(store: TableStore) -> None:
    store.create(list(TABLES.values()))
    for number, room in enumerate(ROOMS):
        for table, rows in day(room, number).items():
            if rows:
                store.insert(table, rows)
        seen = {"device_id": room, "name": room, "last_seen": NOW - number, "is_active": True}
        store.insert("device_registry", [seen])
    for minute in range(3):
        at = {"timestamp": NOW - 60.0 * minute - 5.0}
        store.insert("dead_letters", [{**at, "topic": "sensor/x/y", "reason": "no number"}])
        store.insert("events", [{**at, "device_id": "attic", "kind": "device_offline"}])
        for service, state in (("broker", "ok"), ("store", "failed")):
            told = {**at, "service": service, "state": state, "value": 4.0 + minute}
            store.insert("health", [{**told, "device_id": "backend"}])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TableStore]]:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    folder = tmp_path_factory.mktemp("pages")
    opened = {
        scheme: open_tables(f"{scheme}:///{folder}/{scheme}") for scheme in ("sqlite", "chdb")
    }
    for store in opened.values():
        fill(store)
    yield opened
    for store in opened.values():
        store.close()


@pytest.fixture(scope="module", params=["sqlite", "chdb"])
def questions(request: pytest.FixtureRequest, stores: dict[str, TableStore]) -> Questions:
    return Questions(stores[request.param])


@pytest.fixture(scope="module")
def learnt(questions: Questions) -> LearningPage:
    return learning_page(questions, NOBODY, NOW, DAY)


def panel(
    stores: dict[str, TableStore], dashboard: str, title: str, seconds: float, at: int = 0
) -> list[tuple[Any, ...]]:
    """What a panel's query says, of the same stretch of time."""
    (own,) = [each for each in DASHBOARDS if each.file == dashboard]
    (chosen,) = [each for each in own.panels if each.title == title]
    first, last = (f"fromUnixTimestamp64Milli({round(1000 * t)})" for t in (NOW - seconds, NOW))
    query = re.sub(
        r"\$__timeFilter_ms\(([\w.]+)\)", rf"\1 >= {first} AND \1 < {last}", chosen.queries[at]
    )
    query = re.sub(
        r"\$__timeInterval\(([\w.]+)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 300 second)",
        query,
    )
    query = query.replace("${device:sqlstring}", "'attic'")
    engine = stores["chdb"]._engine  # type: ignore[attr-defined]
    return [tuple(row) for row in engine.read(query)]


def seconds_of(moment: Any) -> float:
    return float(moment.replace(tzinfo=UTC).timestamp())


def pairs(chart: Any, label: str) -> dict[float, float]:
    (line,) = [each for each in chart.lines if each.label == label]
    times = [chart.since + at * chart.step for at in range(len(line.values))]
    return {
        at: value for at, value in zip(times, line.values, strict=True) if not math.isnan(value)
    }


def test_single_numbers_of_the_model_agree(
    stores: dict[str, TableStore], learnt: LearningPage
) -> None:
    for title, ours in (
        ("Average Confidence", learnt.confidence[0]),
        ("Minimum Confidence", learnt.confidence[1]),
        ("Total Predictions", learnt.sampled),
        ("Active Devices (Making Predictions)", learnt.devices),
        ("Error against People", learnt.error),
    ):
        ((theirs,),) = panel(stores, "ml-metrics", title, DAY)
        assert ours == pytest.approx(theirs, rel=1e-6), title
    assert 0 < learnt.kept < 1
    # Counts come from rollups, by whole minutes.
    assert learnt.decided == pytest.approx(learnt.sampled, abs=3)


def test_correlations_agree(stores: dict[str, TableStore], learnt: LearningPage) -> None:
    title = "Correlation of Features with the Window Position"
    assert learnt.correlations == pytest.approx(dict(panel(stores, "ml-metrics", title, DAY)))
    assert learnt.correlations["temperature"] > 0.9


def test_decisions_by_device_and_confidence_agree(
    stores: dict[str, TableStore], learnt: LearningPage
) -> None:
    theirs = dict(panel(stores, "ml-metrics", "Prediction Frequency by Device", DAY))
    assert {device: count for device, count, _ in learnt.by_device} == theirs
    buckets = dict(panel(stores, "ml-metrics", "Confidence Score Distribution", DAY))
    edges = {"0.00-0.50": (0, 10), "0.50-0.70": (10, 14), "0.70-0.85": (14, 17)}
    edges |= {"0.85-0.95": (17, 19), "0.95-1.00": (19, 20)}
    assert {name: sum(learnt.histogram[a:b]) for name, (a, b) in edges.items()} == buckets


def test_latency_agrees(stores: dict[str, TableStore], learnt: LearningPage) -> None:
    for title, chart in (
        ("Inference Latency", learnt.latency),
        ("From Request to Decision", learnt.response),
    ):
        theirs = panel(stores, "ml-metrics", title, DAY)
        p50 = {seconds_of(row[0]): row[1] for row in theirs}
        p95 = {seconds_of(row[0]): row[2] for row in theirs}
        assert len(p50) > 50
        # A request just before the stretch is theirs or ours alone.
        shared = pairs(chart, "p50").keys() & p50.keys()
        assert len(shared) >= len(p50) - 1
        for at in shared:
            assert pairs(chart, "p50")[at] == pytest.approx(p50[at], rel=1e-6, abs=1.0), title
            assert pairs(chart, "p95")[at] == pytest.approx(p95[at], rel=1e-6, abs=1.0), title


def test_errors_over_time_agree(stores: dict[str, TableStore], learnt: LearningPage) -> None:
    theirs = panel(stores, "ml-metrics", "Error against People Over Time", DAY)
    hours = {seconds_of(time): points for time, points in theirs}
    assert pairs(learnt.errors, "error") == pytest.approx(hours)


def test_promises_are_compared_with_what_people_did(
    stores: dict[str, TableStore], learnt: LearningPage
) -> None:
    said = learnt.reliability
    assert said.promised == sorted(said.promised)
    assert all(0 <= share <= 1 for share in said.kept)
    # Each decision is judged: by an override within ten minutes, or because there was none; the
    # rest are those whose override came later, and the last ones.
    decisions = stores["sqlite"].rows("window_actions", since=NOW - DAY, until=NOW, limit=10_000)
    assert 0.9 * len(decisions) < sum(said.counts) <= len(decisions)
    people = stores["sqlite"].rows("window_overrides", since=NOW - DAY, until=NOW, limit=10_000)
    times = {(row["device_id"], row["timestamp"]): row for row in decisions}
    wrong = 0
    for override in people:
        before = [t for device, t in times if device == override["device_id"]]
        at = max((t for t in before if t <= override["timestamp"]), default=None)
        if at is not None and override["timestamp"] - at < 600.0:
            action = times[override["device_id"], at]
            wrong += abs(action["position"] - override["position"]) > 10.0
    share = sum(kept * count for kept, count in zip(said.kept, said.counts, strict=True))
    assert wrong > 5
    assert share == pytest.approx(sum(said.counts) - wrong)


def test_versions_are_told_with_what_they_decided(questions: Questions) -> None:
    known = ModelRow(
        version="v1",
        current=True,
        created=1.0,
        parent="",
        labels=3,
        error=5.0,
        parent_error=0.0,
    )
    model = Model(models=[known], can_change=True, counters={"labels": 3}, drift={"humidity": 0.5})
    page = learning_page(questions, model, NOW, DAY)
    first, second = page.models
    assert (first.version, first.decisions, first.current) == ("v1", 0, True)
    assert (second.version, second.decisions, second.current) == ("v2", page.sampled, False)
    assert math.isnan(second.created), "only the tables know of it"
    assert page.drift == {"humidity": 0.5}
    assert page.shifted == 0.25


def test_the_newest_values_are_those_of_five_minutes(questions: Questions) -> None:
    newest = latest(questions, NOW)
    assert {device for device, own in newest[0].items() if "temperature" in own} == set(ROOMS)
    later = latest(questions, NOW + 400.0)
    assert later[0] == {}
    assert set(later[1]) == set(ROOMS), "a window stays where it is"
    for device in ROOMS:
        shown = shown_device(DeviceRecord(device, device), newest, NOW)
        assert shown.window is not None
        assert set(shown.readings) == {"temperature", "humidity", "sound_volume"}


def test_the_overview_agrees(stores: dict[str, TableStore], questions: Questions) -> None:
    page = overview_page(questions, list(ROOMS), NOW, DAY)
    assert set(page.features) == {"temperature", "humidity", "sound_volume"}
    theirs = panel(stores, "system-overview", "Temperature Trends", DAY)
    ours = pairs(page.features["temperature"], "attic")
    for time, device, mean in theirs[4:-4]:
        if device == "attic":
            assert ours[seconds_of(time)] == pytest.approx(mean)
    heard = pairs(page.throughput, "temperature")
    counts = panel(stores, "system-overview", "Message Throughput (messages/minute)", DAY)
    assert sum(heard.values()) * page.throughput.step / 60.0 == pytest.approx(
        sum(count for _, count in counts), abs=9
    )
    assert len(page.decisions) == 20
    times = [row.time for row in page.decisions]
    assert times == sorted(times, reverse=True)
    assert all(row.model_version == "v2" and row.reason for row in page.decisions)


def test_a_device_agrees(stores: dict[str, TableStore], questions: Questions) -> None:
    record = DeviceRecord("attic", "Attic", sensors={"co2": NOW, "temperature": NOW})
    page = device_page(questions, record, latest(questions, NOW), NOW, DAY)
    assert set(page.sensors) == {"temperature", "humidity", "sound_volume", "co2"}
    for title, chart in (
        ("Humidity History", page.sensors["humidity"]),
        ("ML Prediction Confidence Timeline", page.confidence),
    ):
        theirs = panel(stores, "device-detail", title, DAY)
        ours = pairs(chart, "mean")
        for time, _, mean in theirs[1:-1]:
            assert ours[seconds_of(time)] == pytest.approx(mean), title
    spread = dict(panel(stores, "device-detail", "Window Position Distribution", DAY))
    names = {"Closed": "closed", "Partially Open": "partially open"}
    names |= {"Mostly Open": "mostly open", "Fully Open": "fully open"}
    assert {ours: spread.get(theirs, 0) for theirs, ours in names.items()} == page.openness
    detailed = panel(stores, "device-detail", "Recent Predictions (Detailed)", DAY)
    assert [row.confidence for row in page.decisions] == [row[2] for row in detailed]
    assert [row.reason for row in page.decisions] == [row[9] for row in detailed]
    assert any(not math.isnan(row.wanted) for row in page.decisions)
    assert page.overrides[-1].person == "ann"
    assert [event.kind for event in page.events] == ["device_offline"] * 3


def test_health_agrees(stores: dict[str, TableStore], questions: Questions) -> None:
    page = health_page(questions, [], {}, NOW, DAY / 4)
    assert page.store_error == ""
    states = {row.service: (row.state, row.value) for row in page.services}
    assert states == {"broker": ("ok", 4.0), "store": ("failed", 4.0)}
    later = health_page(questions, [ServiceState("broker", "away")], {}, NOW + 120.0, DAY / 4)
    assert {row.service: row.state for row in later.services} == {
        "broker": "failed",
        "store": "silent",
    }
    for title, table in (
        ("Humidity Records", "sensor_humidity"),
        ("Window Actions", "window_actions"),
    ):
        ((theirs,),) = panel(stores, "system-health", title, DAY / 4)
        assert page.rows[table] == pytest.approx(theirs, abs=3), "by whole minutes"
    assert page.rows["dead_letters"] == 3
    kinds = [each.kind for each in page.troubles]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "message": 3,
        "device_offline": 3,
        "failed": 3,
    }
    assert sum(pairs(page.errors, "failed services").values()) == pytest.approx(3.0, abs=1.5)
    assert {each.question for each in page.queries} >= {"services", "events", "batches"}
    assert max(pairs(page.batches, "most").values()) == 6.0


def test_questions_that_fail_are_counted(tmp_path: Path) -> None:
    store = open_tables(f"sqlite:///{tmp_path}/gone.db")
    store.create(list(TABLES.values()))
    store.close()
    questions = Questions(store)
    page = health_page(questions, [ServiceState("store", "closed")], {"readings": 4}, NOW, DAY)
    assert "closed" in page.store_error
    assert [row.service for row in page.services] == ["store"]
    assert page.counters == {"readings": 4}
    assert [(each.question, each.errors) for each in page.queries] == [
        ("count sensor_temperature", 1)
    ]
