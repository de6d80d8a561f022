"""``climate backup``, ``restore`` and ``dashboards`` as commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables

TABLE = "sensor_temperature"


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("edgeflow"))
    return subprocess.run(
        [program, "climate", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_home_moves_from_sqlite_to_chdb(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="pip install 'edgeflow[chdb]'")
    old = open_tables(f"sqlite:///{tmp_path}/home.db")
    old.create(list(TABLES.values()))
    rows = [{"device_id": "a", "timestamp": 1.75e9 + n, "value": float(n)} for n in range(100)]
    old.insert(TABLE, rows)
    old.close()
    done = run("backup", "--store", "sqlite:///home.db", "home.backup", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "home.backup: 100 rows\n"), done.stderr
    done = run("restore", "--store", "chdb:///new.chdb", "home.backup", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "home.backup: 100 rows\n"), done.stderr
    new = open_tables(f"chdb:///{tmp_path}/new.chdb")
    new.create(list(TABLES.values()))
    assert [row["value"] for row in new.rows(TABLE)] == [float(n) for n in range(100)]
    new.close()


def test_a_store_that_is_not_there_is_not_backed_up(tmp_path: Path) -> None:
    done = run("backup", "--store", "sqlite:///hone.db", "home.backup", folder=tmp_path)
    assert done.returncode != 0
    assert "hone.db" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "home.backup").write_text("no")
    done = run("restore", "home.backup", folder=tmp_path)
    assert done.returncode != 0
    assert "home.backup" in done.stderr


def test_dashboards_are_written(tmp_path: Path) -> None:
    done = run("dashboards", "grafana", folder=tmp_path)
    written = sorted((tmp_path / "grafana").iterdir())
    assert done.returncode == 0
    assert sorted(done.stdout.split()) == [str(path.relative_to(tmp_path)) for path in written]
    assert {json.loads(path.read_text())["uid"] for path in written} == {
        "esp32-system-overview",
        "esp32-device-detail",
        "esp32-ml-metrics",
        "esp32-system-health",
    }
