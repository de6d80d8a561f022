"""What waits on disk: in order, once, through crashes."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, StoreError
from edgeflow.store.catalogue import TABLES
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.sqlite_tables import SqliteTables
from edgeflow.store.tables import Row


def drained(spool: Spool) -> list[bytes]:
    """Take everything."""
    found = []
    while group := spool.group():
        found += [record.body for record in group]
        spool.take(group)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_records_come_out_in_order_and_once(folder: Path) -> None:
    spool = Spool(folder)
    for number in range(5):
        spool.append(b"%d" % number)
    assert drained(spool) == [b"0", b"1", b"2", b"3", b"4"]
    assert spool.group() == []
    assert spool.pending_bytes == 0
    spool.close()


def test_what_was_not_taken_comes_again_after_a_restart(folder: Path) -> None:
    spool = Spool(folder)
    spool.append(b"0")
    spool.take(spool.group())
    for number in range(1, 3):
        spool.append(b"%d" % number)
    begun = spool.group()
    spool.append(b"3")
    spool.close()
    again = Spool(folder)
    assert again.group() == begun, "the same group and tokens, by which a store knows it"
    assert drained(again) == [b"1", b"2", b"3"]
    again.close()
    assert drained(Spool(folder)) == []


def test_a_group_stays_the_same_until_it_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeflow.store.spool.GROUP_RECORDS", 3)
    spool = Spool(folder)
    spool.append(b"0")
    first = spool.group()
    for number in range(1, 6):
        spool.append(b"%d" % number)
    assert spool.group() == first
    spool.take(first)
    assert [record.body for record in spool.group()] == [b"1", b"2", b"3"]
    assert drained(spool) == [b"1", b"2", b"3", b"4", b"5"]
    spool.close()


def test_a_folder_is_of_one_spool(folder: Path) -> None:
    spool = Spool(folder)
    with pytest.raises(StoreError, match="in use"):
        Spool(folder)
    spool.close()
    Spool(folder).close()


@pytest.mark.parametrize("at", [0, 3, 8, 19, 21])
def test_a_damaged_record_is_told_and_stays(
    folder: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeflow.store.spool.SEGMENT_BYTES", 10)
    spool = Spool(folder)
    spool.append(b"damaged")
    spool.append(b"whole")
    path = min(folder.glob("*.spool"))
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    if 8 <= at < 20:
        assert [record.body for record in spool.group()] == [b"damaged", b"whole"]
    else:
        with pytest.raises(StoreError, match="damaged"):
            spool.group()
        assert spool.pending_bytes > 0
    spool.close()


def test_segments_turn_and_go_when_they_are_empty(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeflow.store.spool.SEGMENT_BYTES", 100)
    spool = Spool(folder)
    for number in range(20):
        spool.append(b"%020d" % number)
    assert len(list(folder.glob("*.spool"))) == 7
    assert [int(body) for body in drained(spool)] == list(range(20))
    assert len(list(folder.glob("*.spool"))) == 1
    spool.close()


@pytest.mark.parametrize("cut", range(1, 26))
def test_a_torn_tail_is_cut_off_and_the_rest_is_whole(folder: Path, cut: int) -> None:
    spool = Spool(folder)
    spool.append(b"whole")
    spool.append(b"torn!")
    spool.close()
    (path,) = folder.glob("*.spool")
    os.truncate(path, path.stat().st_size - min(cut, 25))
    again = Spool(folder)
    again.append(b"next")
    assert drained(again) == [b"whole", b"next"]
    again.close()


@given(
    data=st.binary(max_size=120), bodies=st.lists(st.binary(min_size=1, max_size=40), max_size=4)
)
@settings(max_examples=60, deadline=None)
def test_any_bytes_at_the_end_of_a_file_do_no_harm(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, bodies: Sequence[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, sync=False)
    for body in bodies:
        spool.append(body)
    spool.close()
    with next(folder.glob("*.spool")).open("ab") as file:
        file.write(data)
    again = Spool(folder, sync=False)
    assert drained(again)[: len(bodies)] == list(bodies)
    again.close()


def test_a_full_spool_refuses_and_takes_again(folder: Path) -> None:
    spool = Spool(folder, limit=100)
    spool.append(bytes(60))
    with pytest.raises(StoreError, match="full"):
        spool.append(bytes(60))
    drained(spool)
    spool.append(bytes(60))
    spool.close()


def test_a_closed_spool_refuses(folder: Path) -> None:
    spool = Spool(folder)
    spool.close()
    spool.close()
    with pytest.raises(StoreError, match="closed"):
        spool.append(b"x")
    assert not spool.wait(0.0)


class Moody(SqliteTables):
    """A store that is down as often as it is told, also after it has stored."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.moods: list[str] = []

    def insert(self, table: str, rows: Sequence[Row], *, token: str = "") -> None:
        mood = self.moods.pop(0) if self.moods else ""
        if mood == "before":
            raise StoreError("down")
        super().insert(table, rows, token=token)
        if mood == "after":
            raise StoreError("the answer was lost")


def row(number: int) -> Row:
    """A temperature of a device that does not count."""
    return {"device_id": "a", "timestamp": 1.75e9 + number, "value": float(number)}


def test_nothing_is_lost_or_doubled_while_the_store_comes_and_goes(tmp_path: Path) -> None:
    store = Moody(str(tmp_path / "x.db"))
    store.create(list(TABLES.values()))
    store.moods = ["", "before", "after", "", "after", "before"]
    writer = SpooledWriter(store, Spool(tmp_path / "spool"))
    for number in range(20):
        writer.append("sensor_temperature", [row(2 * number), row(2 * number + 1)])
    assert writer.flush(20.0)
    writer.close()
    values = [each["value"] for each in store.rows("sensor_temperature")]
    store.close()
    assert values == [float(number) for number in range(40)]
    assert writer.stats.failures >= 2


def test_rows_that_no_store_takes_are_set_aside(tmp_path: Path) -> None:
    store = SqliteTables(str(tmp_path / "x.db"))
    store.create(list(TABLES.values()))
    writer = SpooledWriter(store, Spool(tmp_path / "spool"))
    writer.append("sensor_temperature", [row(0), {"device_id": "a", "warmth": 1.0}, row(2)])
    writer.append("sensor_temperature", [row(1)])
    assert writer.flush(10.0)
    writer.close()
    (dead,) = store.rows("dead_letters")
    assert len(store.rows("sensor_temperature")) == 3
    store.close()
    assert "warmth" in str(dead["reason"])
    assert writer.stats.refused == 1


def test_what_has_no_form_is_refused_at_once(tmp_path: Path) -> None:
    store = SqliteTables(":memory:")
    writer = SpooledWriter(store, Spool(tmp_path / "spool"))
    with pytest.raises(ConfigError):
        writer.append("sensor_temperature", [{"device_id": object()}])
    writer.close()
    store.close()


PROGRAM = """
    import sys
    from pathlib import Path
    from edgeflow.store.catalogue import TABLES
    from edgeflow.store.spool import Spool
    from edgeflow.store.spooled import SpooledWriter
    from edgeflow.store.sqlite_tables import SqliteTables
    folder = Path(sys.argv[1])
    store = SqliteTables(str(folder / "x.db"))
    store.create(list(TABLES.values()))
    writer = SpooledWriter(store, Spool(folder / "spool"))
    number = int(sys.argv[2])
    while True:
        rows = [{"device_id": "a", "timestamp": 1.75e9 + number, "value": float(number)}]
        writer.append("sensor_temperature", rows)
        print(number, flush=True)
        number += 1
"""


def test_a_killed_process_loses_nothing_that_it_accepted(tmp_path: Path) -> None:
    accepted = -1
    for run in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(accepted + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for heard, line in enumerate(process.stdout):
            if line.endswith("\n"):
                accepted = int(line)
            if heard == 10 + 7 * run:
                process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
        process.stdout.close()
    assert accepted >= 40
    store = SqliteTables(str(tmp_path / "x.db"))
    store.create(list(TABLES.values()))
    writer = SpooledWriter(store, Spool(tmp_path / "spool"))
    assert writer.flush(20.0)
    writer.close()
    counts: dict[float, int] = {}
    for each in store.rows("sensor_temperature", limit=1_000_000):
        counts[each["value"]] = counts.get(each["value"], 0) + 1
    store.close()
    assert set(range(accepted + 1)) <= set(counts)
    # One that was accepted and not yet printed is sent again by the next process under a new token.
    assert sum(count - 1 for count in counts.values()) <= 4


def test_rows_of_several_tables_are_one_record(tmp_path: Path) -> None:
    store = SqliteTables(":memory:")
    store.create([TABLES["sensor_temperature"], TABLES["sensor_humidity"]])
    spool = Spool(tmp_path / "spool")
    writer = SpooledWriter(store, spool)
    with pytest.raises(ConfigError, match="sensor_humidity"):
        writer.append_all(
            {"sensor_temperature": [row(0)], "sensor_humidity": [{"value": object()}]}
        )
    assert writer.stats.spooled == 0
    for number in range(3):
        writer.append_all({"sensor_temperature": [row(number)], "sensor_humidity": [row(number)]})
        assert writer.flush(20.0)
    assert writer.stats.stored == 6
    for table in ("sensor_temperature", "sensor_humidity"):
        assert [each["value"] for each in store.rows(table)] == [0.0, 1.0, 2.0]
    writer.close()
    store.close()


def test_who_waits_for_rows_ends_a_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeflow.store.spooled.REST", 1e9)
    monkeypatch.setattr("edgeflow.store.spooled.LONGEST_REST", 1000.0)
    store = SqliteTables(":memory:")
    store.create([TABLES["sensor_temperature"]])
    writer = SpooledWriter(store, Spool(tmp_path / "spool"))
    for number in range(3):
        writer.append("sensor_temperature", [row(number)])
        assert writer.flush(20.0)
    assert len(store.rows("sensor_temperature")) == 3
    writer.close()
    store.close()
