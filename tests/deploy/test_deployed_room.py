"""The example that joins all systems, as the one workload it is deployed and composed as."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from composed_files import assert_valid, read_by_others, secrets_in, stack_as_read
from deployed_processes import Deployed, deployed

from edgeflow.cli import main
from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Stack
from edgeflow.systems.room_demo import lay_out
from flows import wait_until
from pulled import pulled
from servers import free_port

PORTS = ("ROOM_CAMERA_PORT", "ROOM_BOARD_PORT", "ROOM_CSI_PORT", "ROOM_MQTT_PORT")
SYSTEMS = ("people", "presence", "air", "forecast", "room")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (tmp_path / "run").mkdir()
    pulled("centerface")
    lay_out(made)
    return made


@pytest.fixture
def given(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the author of the room says about this machine."""
    said = {name: str(free_port()) for name in (*PORTS, "ROOM_METRICS_PORT")}
    said["ROOM_CAMERA"] = f"http://127.0.0.1:{said['ROOM_CAMERA_PORT']}/"
    said["ROOM_CLIP"] = str(pulled("carphone"))
    models = project / "models.yaml"
    models.write_text(models.read_text().replace("8191", said["ROOM_BOARD_PORT"]))
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    return said


class Room:
    """The room as it runs."""

    def __init__(self, running: Deployed, token: str) -> None:
        running.await_ready(90)
        (self.instance,) = running.instances
        self._root = f"http://127.0.0.1:{running.port(self.instance.workload, 'http')}"
        self._token = {"Authorization": f"Bearer {token}"}

    def ask(self, path: str) -> bytes:
        request = urllib.request.Request(self._root + path, headers=self._token)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def works(self) -> bool:
        """True once a value of each system came through, and what they say together is kept."""
        nodes: dict[str, Any] = {each["name"]: each for each in json.loads(self.ask("/api/nodes"))}
        assert {node["state"] for node in nodes.values()} == {"running"}
        through = all(nodes[name]["frames_out"] for name in SYSTEMS)
        return through and nodes["database"]["frames_in"] > 0

    def await_work(self) -> None:
        wait_until(self.works, 60)
        assert b"<!doctype html>" in self.ask("/dashboard").lower()
        data = self.instance.log.parent / self.instance.name / "data"
        assert (data / "room.db").stat().st_size > 0


def room_of(project: Path) -> Stack:
    return plan_file(project / "pipelines.yaml")


def test_the_smart_room_works_as_it_is_deployed(project, given):
    stack = room_of(project)
    assert set(stack.wanted_secrets) == set(given)
    with deployed(stack, project.parent / "run", **given) as running:
        Room(running, running.secrets["EDGEFLOW_TOKEN"]).await_work()


def test_the_smart_room_works_as_its_compose_file_says(project, given):
    out = project.parent / "out"
    command = ["compose", str(project / "pipelines.yaml"), "--out", str(out), "--image", "room:1"]
    assert main(command) == 0
    read, secrets = read_by_others(out / "compose.yaml"), secrets_in(out / ".env")
    assert_valid(read)
    (service,) = read["services"].values()
    assert given.items() <= service["environment"].items()
    with deployed(stack_as_read(room_of(project), read), project.parent / "run") as running:
        Room(running, secrets["EDGEFLOW_TOKEN"]).await_work()
