"""What a program keeps in tables that others share."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeflow.core.status import Activity
from edgeflow.devices.damping import Damping
from edgeflow.devices.history import WAITING, History, Sighting
from edgeflow.errors import StoreError
from edgeflow.observe.activity import ActivityBook
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore

SECONDS = 20.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home.db"


@pytest.fixture
def tables(url: str) -> Iterator[TableStore]:
    made = open_tables(url)
    made.create(list(TABLES.values()))
    yield made
    made.close()


AT_ONCE = Damping(calm=0.0, interval=0.0)


class Clock:
    """Real time, and what is added to it."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(url: str, tmp_path: Path, clock: Clock) -> Iterator[History]:
    with History(url, "csi", folder=tmp_path / "spool", damping=AT_ONCE, now=clock) as made:
        yield made


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_rows_of_any_table_arrive_and_what_is_left_is_written_at_the_end(
    url: str, tmp_path: Path, tables: TableStore
) -> None:
    with History(url, "csi", folder=tmp_path / "spool") as history:
        for number in range(500):
            history.add(
                "csi_vitals", {"device_id": "n", "timestamp": 1e9 + number, "motion": number}
            )
    assert [row["motion"] for row in tables.rows("csi_vitals")] == list(range(500))
    assert (history.stats.taken, history.stats.dropped) == (500, 0)


def test_rows_that_nobody_takes_are_bounded_and_the_oldest_give_way(history: History) -> None:
    for number in range(3 * WAITING):
        history.add("events", {"device_id": "n", "timestamp": float(number), "kind": "x"})
    assert history.stats.taken == 3 * WAITING
    assert history.flush(SECONDS)
    stored = history.stats.taken - history.stats.dropped
    assert WAITING <= stored <= 3 * WAITING


def test_devices_are_registered_told_away_and_back(
    history: History, tables: TableStore, clock: Clock
) -> None:
    present = {"cam": True}

    def look() -> list[Sighting]:
        return [
            Sighting(name, "camera", clock(), here, "" if here else "no picture")
            for name, here in present.items()
        ]

    def alerts() -> list[tuple[str, str, str]]:
        rows = tables.rows("device_alerts")
        return [(row["kind"], row["state"], row["reason"]) for row in rows]

    history.watch(look)
    until(lambda: bool(tables.latest("device_registry")))
    (row,) = tables.latest("device_registry")
    assert (row["device_id"], row["kind"], row["owner"]) == ("cam", "camera", "csi")
    assert alerts() == []
    present["cam"] = False
    until(lambda: alerts() == [("offline", "raised", "no picture")])
    assert tables.latest("device_registry")[0]["is_active"] is False
    present["cam"] = True
    until(lambda: alerts()[1:] == [("offline", "ended", "it spoke again")])


def test_what_people_set_elsewhere_is_kept(
    history: History, url: str, tmp_path: Path, tables: TableStore
) -> None:
    history.watch(lambda: [Sighting("cam", "camera", time.time())])
    until(lambda: bool(tables.latest("device_registry")))
    with History(url, "other", folder=tmp_path / "other") as other:
        other.registry.set("cam", time.time(), name="Door")
        other.flush(SECONDS)
    until(lambda: history.registry.get("cam").name == "Door")
    history.close()
    assert tables.latest("device_registry")[0]["name"] == "Door"


def test_actions_and_alerts_of_a_book_become_rows(history: History, tables: TableStore) -> None:
    book = ActivityBook()
    book.add(Activity(kind="alert", text="before"))
    history.follow(book)
    book.add(Activity(kind="alert", text="hot", agent="heat", sensor="attic", pipeline="p"))
    told = {"dispatcher": "siren", "sensor": "attic", "detail": {"correlation_id": "c1"}}
    book.add(Activity(kind="action", text="siren on", ok=True, **told))
    book.add(Activity(kind="action", text="siren on", ok=False, **told))
    until(lambda: len(tables.rows("actions")) == 2 and bool(tables.rows("events")))
    (event,) = tables.rows("events")
    assert (event["device_id"], event["kind"], event["source"]) == ("attic", "alert", "heat")
    rows = tables.rows("actions")
    assert [(row["action"], row["result"], row["correlation_id"]) for row in rows] == [
        ("siren", "ok", "c1"),
        ("siren", "failed", "c1"),
    ]


def test_health_is_kept_and_a_problem_that_ends_is_an_alert_that_ends(
    url: str, tmp_path: Path, tables: TableStore
) -> None:
    problems: list[str] = ["no camera"]
    with History(url, "csi", folder=tmp_path / "spool", damping=AT_ONCE) as history:
        history.health(lambda: problems)
        until(lambda: bool(tables.rows("health")))
        problems.clear()
    rows = tables.rows("health")
    assert [(row["state"], row["detail"]) for row in rows] == [("failed", "no camera"), ("ok", "")]
    alerts = tables.rows("device_alerts")
    assert [(row["kind"], row["state"]) for row in alerts] == [
        ("failed", "raised"),
        ("failed", "ended"),
    ]


def test_a_look_that_fails_stops_no_other(history: History, tables: TableStore) -> None:
    def broken() -> list[Sighting]:
        raise RuntimeError("gone")

    history.watch(broken)
    history.watch(lambda: [Sighting("cam", "camera", time.time())])
    history.sample("events", broken, 0.1)  # type: ignore[arg-type]
    until(lambda: bool(tables.latest("device_registry")))


def test_two_programs_of_one_name_have_a_spool_each(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    with History(url, "csi"), History(url, "csi"):
        assert len(list((tmp_path / "cache" / "history").iterdir())) == 2


def test_nothing_is_kept_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.delenv("EDGEFLOW_STORE", raising=False)
    assert History.wanted("csi") is None
    monkeypatch.setenv("EDGEFLOW_STORE", "nonsense://x")
    with pytest.raises(StoreError):
        History.wanted("csi")


def test_stopping_is_quick_and_leaves_no_thread(url: str, tmp_path: Path) -> None:
    import threading

    before = set(threading.enumerate())
    history = History(url, "csi", folder=tmp_path / "spool")
    began = time.monotonic()
    history.close()
    history.close()
    assert time.monotonic() - began < 10
    left: set[Any] = {each for each in threading.enumerate() if each not in before}
    assert left == set()
