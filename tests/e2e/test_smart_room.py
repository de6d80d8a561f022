"""The room that joins all five systems, from one file, with virtual devices."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgeflow.systems.room_demo import lay_out
from pulled import pulled

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"
SCRIPT = """
    door_s: 2
    script:
      - {what: out, seconds: 5}
      - {what: in, seconds: 8}
      - {what: covered, seconds: 40}
      - {what: out, seconds: 10}
"""
UNSEEN = "WiFi senses somebody whom the camera does not see"
PATIENCE = 90.0
"""Longer than the script: who came too late for an act sees it again."""


def ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()


class Room:
    """A flow in a process of its own, asked as the dashboard asks it."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10.0)

    def until(self, what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the flow has ended"
            try:
                found = what()
            except (httpx.HTTPError, sqlite3.OperationalError, KeyError, TypeError):
                found = None
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError("it did not come to that")

    def tapped(self, topic: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/tap/{topic}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def senses(self) -> dict[str, Any]:
        found: dict[str, Any] = self.tapped("room")["preview"]
        return found

    def picture(self) -> bytes:
        return self.client.get("/snapshot/people").raise_for_status().content

    def told(self, agent: str) -> list[dict[str, Any]]:
        answer = self.client.get("/api/activity", params={"limit": 500}).json()
        entries = answer if isinstance(answer, list) else answer["activity"]
        return [each for each in entries if each["kind"] == "alert" and each["agent"] == agent]

    def failures(self) -> list[dict[str, Any]]:
        answer = self.client.get("/api/activity", params={"limit": 500}).json()
        entries = answer if isinstance(answer, list) else answer["activity"]
        return [each for each in entries if each["level"] == "error"]

    def rows(self, table: str, where: str = "1") -> list[dict[str, Any]]:
        place = f"file:{self.folder / 'room.db'}?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as store:
            store.row_factory = sqlite3.Row
            return [dict(row) for row in store.execute(f"select * from {table} where {where}")]


@contextmanager
def running(folder: Path) -> Iterator[Room]:
    lay_out(folder)
    file = folder / "pipelines.yaml"
    text = file.read_text("utf-8")
    text = text.replace("    pipeline: truth\n", f"    pipeline: truth{SCRIPT}", 1)
    before, unseen, after = text.partition(UNSEEN)
    text = before + unseen + after.replace("hold_s: 16", "hold_s: 6", 1)
    file.write_text(text, "utf-8")
    web, probes, mqtt, csi, camera, board = ports(6)
    models = folder / "models.yaml"
    models.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{board}", models.read_text("utf-8")))
    wanted = {
        "GATEWAY_HTTP_PORT": web,
        "ROOM_METRICS_PORT": probes,
        "ROOM_MQTT_PORT": mqtt,
        "ROOM_CSI_PORT": csi,
        "ROOM_CAMERA_PORT": camera,
        "ROOM_BOARD_PORT": board,
        "ROOM_CAMERA": f"http://127.0.0.1:{camera}/",
        "ROOM_CLIP": pulled("carphone"),
    }
    environment = os.environ | {name: str(value) for name, value in wanted.items()}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, "up", str(file)],
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        ) as process,
    ):
        try:
            room = Room(process, web, folder)
            with room.client:
                yield room
        finally:
            process.kill()


@pytest.fixture(scope="module")
def assets() -> None:
    for name in ("carphone", "centerface"):
        pulled(name)


@pytest.mark.usefixtures("assets")
def test_one_room_with_all_its_senses(tmp_path: Path) -> None:
    with running(tmp_path / "room") as room:
        # Every sense delivers.
        fused = room.until(lambda: (said := room.senses()) and not said["missing"] and said)
        assert fused["air"]["temperature"] == pytest.approx(22.5, abs=3)
        assert 0 < fused["air"]["humidity"] < 100
        assert room.until(room.picture)[:2] == b"\xff\xd8"
        room.until(lambda: room.senses()["air"]["sound_volume"] < 0)
        # The window follows who is there: nobody, then somebody.
        empty = room.until(lambda: _decided(room, somebody=False))
        assert empty["detail"]["position"] > 30
        room.until(lambda: room.senses()["air"]["window_position"] > 30)
        room.until(lambda: room.senses()["camera"]["detections"])
        room.until(lambda: room.senses()["csi"]["presence"])
        assert room.until(lambda: _decided(room, somebody=True))["time"] > empty["time"]
        # Camera and WiFi disagree when the camera is covered, and not before.
        alarm = room.until(lambda: room.told("unseen"))[0]
        assert room.tapped("truth")["preview"]["covered"]
        assert alarm["detail"]["event"] == "alarm"
        forecast = room.until(lambda: room.tapped("forecast")["meta"]["result"]["forecast"])
        assert len(forecast["values"]) == 8
        assert room.told("unfelt") == []
        assert room.failures() == []
        # All of it is kept.
        room.until(lambda: room.rows("events", "kind = 'alarm'"))
        kinds = {row["kind"] for row in room.rows("events")}
        assert {"diary", "forecasts", "window", "alarm"} <= kinds
        stored = {row["kind"] for row in room.rows("sensor_readings")}
        assert stored >= {"temperature", "humidity", "sound_volume", "window_position", "faces"}
        details = json.loads(room.rows("events", "kind = 'diary'")[-1]["details"])
        assert details["csi"]["presence"] is True
        # It ends in time.
        began = time.monotonic()
        room.process.send_signal(signal.SIGINT)
        assert room.process.wait(20) in (0, 130)
        assert time.monotonic() - began < 15
        log = (room.folder / "log").read_text()
        assert "smart-room: ran" in log
        assert "Traceback" not in log
        assert "pipeline_failed" not in log  # what the board was asked at last, it answered


def _decided(room: Room, *, somebody: bool) -> dict[str, Any] | None:
    """Return the newest decision if it is one for somebody, or for nobody."""
    last = room.told("window")[-1]
    return last if last["detail"]["somebody"] is somebody else None
