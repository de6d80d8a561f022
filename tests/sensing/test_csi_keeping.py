"""Vitals and events in a store: all of them, in order, also after the store failed for a while."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgeflow.core.vitals import SensingEvent, SensingNode, VitalsUpdate
from edgeflow.errors import StoreError
from edgeflow.sensing.keeping import EVENTS_TOPIC, VITALS_TOPIC, Keeper
from edgeflow.store import open_store
from flows import wait_until


def update(number: int) -> VitalsUpdate:
    return VitalsUpdate(
        t=float(number),
        node=7,
        name="7@a",
        presence=True,
        motion=0.5,
        persons=1,
        fall=False,
        confidence=0.9,
        time=1e9 + number,
        number=number,
        breathing_bpm=6.0,
        heart_bpm=None,
    )


class Room:
    """A ``SensingView`` whose news the test says."""

    def __init__(self) -> None:
        self.said: list[VitalsUpdate | SensingEvent] = []
        self.told: list[Callable[[], None]] = []

    def nodes(self) -> list[SensingNode]:
        return []

    def history(self, name: str, after: int = 0, limit: int = 300) -> list[VitalsUpdate]:
        return []

    def news(self, after: int = 0, limit: int = 500) -> list[VitalsUpdate | SensingEvent]:
        return [said for said in list(self.said) if said.number > after][-limit:]

    def calibrate(self, name: str) -> None: ...

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        self.told.append(told)
        return lambda: self.told.remove(told)


def test_all_news_is_kept_and_the_last_of_it_at_the_end(tmp_path: Path) -> None:
    room, url = Room(), f"sqlite:///{tmp_path / 'vitals.db'}"
    with Keeper(room, url) as keeper:
        room.said += [update(number) for number in range(1, 4001)]
        room.told[0]()
        wait_until(lambda: keeper.kept == 4000, 30)
        room.said.append(
            SensingEvent(kind="fall", t=1.0, node=7, name="7@a", number=4001, time=2e9)
        )
    assert (keeper.kept, keeper.lost, room.told) == (4001, 0, [])
    store = open_store(url)
    kept = store.query(VITALS_TOPIC, limit=5000)
    assert [event.id for event in kept] == list(range(1, 4001))
    assert (kept[0].source, kept[0].value["heart_bpm"]) == ("7@a", None)
    assert store.query(EVENTS_TOPIC)[0].value["kind"] == "fall"
    store.close()


def test_what_was_forgotten_meanwhile_is_counted(tmp_path: Path) -> None:
    room = Room()
    room.said += [update(5), update(6)]
    with Keeper(room, f"sqlite:///{tmp_path / 'vitals.db'}") as keeper:
        pass
    assert (keeper.kept, keeper.lost) == (2, 4)


def test_news_waits_while_the_store_fails(tmp_path: Path) -> None:
    room, file = Room(), tmp_path / "vitals.db"
    with Keeper(room, f"sqlite:///{file}") as keeper, closing(sqlite3.connect(file)) as other:
        other.execute("ALTER TABLE events RENAME TO gone")
        room.said += [update(1), update(2)]
        wait_until(lambda: keeper.failing, 30)
        assert keeper.kept == 0
        other.execute("ALTER TABLE gone RENAME TO events")
        wait_until(lambda: keeper.kept == 2, 30)
        assert not keeper.failing


@pytest.mark.parametrize("url", ["what://x", "sqlite:////absent/x/vitals.db"])
def test_what_is_no_store_is_told(url: str) -> None:
    with pytest.raises(StoreError):
        Keeper(Room(), url)
