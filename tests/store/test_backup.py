"""All tables in a file, and back."""

import gzip
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeflow.errors import StoreError
from edgeflow.store import backup
from edgeflow.store.backup import back_up, restore
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore

START = 1_750_000_000.0 // 3600 * 3600
TEMPERATURE, REGISTRY, EVENTS = (
    TABLES[name] for name in ("sensor_temperature", "device_registry", "events")
)
USED = [TEMPERATURE, REGISTRY, EVENTS, TABLES["csi_vitals"]]


def opened(url: str) -> TableStore:
    made = open_tables(url)
    made.create(USED)
    return made


@pytest.fixture
def full(tmp_path: Path) -> Iterator[TableStore]:
    store = opened(f"sqlite:///{tmp_path}/full.db")
    rows = [
        {"device_id": f"d{n % 3}", "timestamp": START + n // 7, "value": n / 8, "sequence": n}
        for n in range(1000)
    ]
    store.insert("sensor_temperature", rows)
    store.insert("sensor_temperature", [{"device_id": "d0", "timestamp": START, "value": 1.0}] * 2)
    store.insert("device_registry", [{"device_id": "d0", "last_seen": START, "name": "Küche"}])
    store.insert("events", [{"device_id": "d0", "timestamp": START, "details": {"a": [1, None]}}])
    store.insert("csi_vitals", [{"device_id": "n", "timestamp": START, "motion": math.nan}])
    yield store
    store.close()


def everything(store: TableStore) -> dict[str, list[str]]:
    return {
        table.name: sorted(repr(row) for row in store.rows(table.name, limit=10_000))
        for table in USED
    }


@pytest.mark.parametrize("scheme", ["sqlite", "chdb"])
@pytest.mark.parametrize("page", [50, 20_000])
def test_what_was_written_comes_back_once(
    full: TableStore, tmp_path: Path, scheme: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scheme == "chdb":
        pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    monkeypatch.setattr(backup, "PAGE", page)
    path = tmp_path / "home.backup"
    assert back_up(full, USED, path) == 1005
    assert path.stat().st_mode & 0o777 == 0o600
    other = opened(f"{scheme}:///{tmp_path}/other")
    for _ in range(2):
        assert restore(other, USED, path) == 1005
        assert everything(other) == everything(full)
    minutes = other.series("sensor_temperature", "value", step=60.0)
    assert sum(each.count for each in minutes) == 1002
    other.close()


def test_a_file_that_is_cut_or_damaged_brings_nothing(full: TableStore, tmp_path: Path) -> None:
    path, bad = tmp_path / "home.backup", tmp_path / "bad.backup"
    back_up(full, USED, path)
    whole = path.read_bytes()
    store = opened("sqlite://:memory:")
    for cut in range(0, len(whole), max(1, len(whole) // 40)):
        bad.write_bytes(whole[:cut])
        with pytest.raises(StoreError, match=r"bad\.backup"):
            restore(store, USED, bad)
        broken = bytearray(whole)
        broken[cut] ^= 0x55
        bad.write_bytes(broken)
        try:
            restore(store, USED, bad)
        except StoreError:
            assert store.rows("sensor_temperature") == []
        else:
            assert cut < 10, "only the head of gzip has bits without meaning"
            store.close()
            store = opened("sqlite://:memory:")
    lines = gzip.decompress(whole).splitlines(keepends=True)
    for text in (lines[:-1], [*lines, b"{}\n"], lines[:1] + lines[2:], [b"{}\n", *lines[1:]]):
        bad.write_bytes(gzip.compress(b"".join(text)))
        with pytest.raises(StoreError, match=r"bad\.backup"):
            restore(store, USED, bad)
    store.close()


@pytest.mark.parametrize(
    "line",
    [
        b'{"table":"nothing","rows":[]}',
        b'{"table":"events","rows":[{"warmth":1}]}',
        b'{"table":"events","rows":[{"timestamp":1e300}]}',
        b'{"table":"events","rows":[' + b"[" * 5000 + b"]" * 5000 + b"]}",
        b"\xff\xfe",
    ],
)
def test_files_of_others_are_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "strange.backup"
    end = b'{"total":1}\n' if b"1" in line else b'{"total":0}\n'
    path.write_bytes(gzip.compress(b'{"edgeflow_tables":1,"time":1.0}\n' + line + b"\n" + end))
    store = opened("sqlite://:memory:")
    with pytest.raises(StoreError, match=r"strange\.backup"):
        restore(store, USED, path)
    store.close()


def test_no_file_is_left_of_a_backup_that_failed(full: TableStore, tmp_path: Path) -> None:
    full.close()
    with pytest.raises(StoreError, match="closed"):
        back_up(full, USED, tmp_path / "home.backup")
    with pytest.raises(StoreError, match="nowhere"):
        back_up(full, [], tmp_path / "nowhere" / "home.backup")
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_more_rows_of_one_millisecond_than_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGE", 4)
    store = opened("sqlite://:memory:")
    store.insert("events", [{"device_id": str(n), "timestamp": START} for n in range(50)])
    assert back_up(store, [EVENTS], tmp_path / "one.backup") == 50
    store.close()
