"""Boards, CSI nodes, cameras, actions and models of four programs meet in the same tables."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.tables import TableStore
from edgeflow.systems.csi import CsiServer
from edgeflow.systems.gateway import Gateway, ServeOptions
from edgeflow.systems.mcu import McuOptions, McuServer
from small_models import save_scale
from wired_boards import model_file

SECONDS = 40.0
PIPELINES = """\
version: 1
dashboard: false
metrics_port: -1
connectors:
  - {id: door, type: camera, source: clip.avi, pipeline: look, loop: true}
pipelines:
  - {id: look, agents: [always]}
agents:
  always: {type: noting.Note, dispatcher: log}
actions:
  log: {type: log}
"""
PLUGIN = """
from edgeflow.pipelines.agents.base import Agent, AgentOptions
from edgeflow.pipelines.message import Action


class Note(Agent):
    Options = AgentOptions

    async def handle(self, *_, **__):
        return [Action(dispatcher=self.options.dispatcher, payload={"seen": True})]
"""


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableStore]:
    monkeypatch.setenv("EDGEFLOW_STORE", f"sqlite:///{tmp_path}/home.db")
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    made = open_tables(f"sqlite:///{tmp_path}/home.db")
    made.create(list(TABLES.values()))
    yield made
    made.close()


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def devices(tables: TableStore) -> dict[str, tuple[str, bool]]:
    rows = tables.latest("device_registry")
    return {row["device_id"]: (row["kind"], row["is_active"]) for row in rows}


def test_boards_are_registered_and_told_when_unplugged(tmp_path: Path, tables: TableStore) -> None:
    with VirtualBoard(model=model_file(1), instant=True, link=tmp_path / "desk") as board:
        options = McuOptions((f"desk={board.port}",), http_port=0)
        server = McuServer(options)
        until(lambda: devices(tables).get("desk") == ("board", True))
        board.close()
        until(lambda: devices(tables)["desk"] == ("board", False))
        server.close()
    alerts = [(row["device_id"], row["kind"]) for row in tables.rows("device_alerts")]
    assert ("desk", "offline") in alerts
    assert ("boards", "ok") in {(r["service"], r["state"]) for r in tables.rows("health")}


def test_vitals_of_csi_nodes_are_rows_and_a_silent_node_is_told(tables: TableStore) -> None:
    said = Vitals(7, VitalsFlags.PRESENCE, 12.5, 0.0, -40, 1, 0.5, 3.0, 1000).encode()
    with CsiServer(port=0) as server, socket.socket(type=socket.SOCK_DGRAM) as node:

        def heard() -> bool:
            node.sendto(said, ("127.0.0.1", server.sensing.port))
            return bool(tables.rows("csi_vitals"))

        until(heard)
        (name,) = (each.name for each in server.sensing.nodes())
        row = tables.rows("csi_vitals")[0]
        assert (row["device_id"], row["presence"], row["persons"]) == (name, True, 1)
        assert row["breathing_bpm"] == pytest.approx(12.5)
        assert np.isnan(row["heart_bpm"])
        until(lambda: devices(tables).get(name) == ("csi", True))
        until(lambda: devices(tables).get(name) == ("csi", False))
    kinds = {row["kind"] for row in tables.rows("events")}
    assert {"device_registered", "device_offline", "presence"} <= kinds


def test_what_models_are_asked_is_kept(tmp_path: Path, tables: TableStore) -> None:
    save_scale(tmp_path / "models" / "double" / "1" / "model.onnx")
    options = ServeOptions(tmp_path / "models", tcp_port=0, http_port=0, grpc_port=0)
    with Gateway(options) as gateway:
        url = f"{gateway.addresses()['http']}/v2/models/double/infer"
        x = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}
        for _ in range(5):
            assert httpx.post(url, json={"inputs": [x]}, timeout=SECONDS).status_code == 200
    rows = tables.rows("model_usage")
    assert sum(row["requests"] for row in rows) == 5
    assert {(row["device_id"], row["model"], row["failures"]) for row in rows} == {
        ("gateway", "double", 0)
    }
    assert all(row["mean_ms"] > 0 for row in rows)


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = str(Path(sys.executable).with_name("edgeflow"))
    with subprocess.Popen([program, "up", "pipelines.yaml"], cwd=folder, env=os.environ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)


def test_cameras_and_actions_of_pipelines_are_rows(tmp_path: Path, tables: TableStore) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48)
    )
    for _ in range(20):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "noting.py").write_text(PLUGIN)
    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    with running(tmp_path):
        until(lambda: devices(tables).get("door") == ("camera", True))
        until(lambda: tables.rows("actions"))
    (row, *_) = tables.rows("actions")
    assert (row["action"], row["result"]) == ("log", "ok")
