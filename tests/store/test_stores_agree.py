"""SQLite and ClickHouse give the same answers to the same questions about the same rows."""

import math
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clickhouse_facade
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore
from servers import free_port

START = 1_750_000_000.0 // 3600 * 3600
SPAN = 7300

times = st.integers(0, SPAN * 1000).map(lambda ms: START + ms / 1000)
# SQLite keeps no sign of a zero.
values = st.floats(-1e6, 1e6).map(lambda value: value + 0.0) | st.just(math.nan)
batches = st.lists(
    st.lists(
        st.fixed_dictionaries(
            {"timestamp": times, "value": values, "sequence": st.integers(-1, 12)}
        ),
        max_size=8,
    ),
    min_size=1,
    max_size=5,
)
bounds = st.tuples(times, times) | st.just((-math.inf, math.inf))
steps = st.sampled_from([0.5, 7.0, 60.0, 120.0, 3600.0])
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
devices = count()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[TableStore]]:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    folder = tmp_path_factory.mktemp("stores")
    opened = [open_tables(f"{scheme}:///{folder / scheme}") for scheme in ("sqlite", "chdb")]
    with clickhouse_facade.running(folder / "server", free_port()) as server:
        opened.append(open_tables(server.url))
        for store in opened:
            store.create([TABLES["sensor_temperature"]])
        yield opened
        for store in opened:
            store.close()


def answers(
    store: TableStore, device: str, times: tuple[float, float], step: float
) -> list[list[Any]]:
    since, until = times
    asked = {"device": device, "since": since, "until": until}
    table = "sensor_temperature"
    rows = store.rows(table, limit=10_000, **asked)
    whole = store.aggregate(table, "value", **asked)
    series = store.series(table, "value", step=step, **asked)
    newest = [row["timestamp"] for row in store.latest(table) if row["device_id"] == device]
    return [
        sorted(tuple(repr(each) for each in row.values()) for row in rows),
        [whole.count, whole.mean, whole.deviation, whole.least, whole.most],
        *([b.time, b.mean, b.least, b.most, b.count] for b in series),
        newest,
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches, bounds, steps, names)
def test_stores_agree(
    stores: list[TableStore],
    batches: list[list[dict[str, Any]]],
    bounds: tuple[float, float],
    step: float,
    name: str,
) -> None:
    device = f"{name}-{next(devices)}"
    told = []
    for store in stores:
        for number, rows in enumerate(batches):
            # Every second one comes twice: with a token it is the same, without it another.
            for _ in range(1 + number % 2):
                own = [{**row, "device_id": device, "boot": 1} for row in rows]
                token = f"{device}-{number}" if number != 3 else ""
                store.insert("sensor_temperature", own, token=token)
        told.append(answers(store, device, bounds, step))
    first, *others = told
    for other in others:
        assert other[0] == first[0]
        assert len(other) == len(first)
        for one, same in zip(other[1:], first[1:], strict=True):
            assert one == pytest.approx(same, rel=1e-9, abs=1e-3, nan_ok=True)
