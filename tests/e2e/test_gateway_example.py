"""``examples/edge_gateway``, set up and run as its README says."""

import contextlib
import json
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from gateway_system import Command, Listener, until

from pulled import pulled
from servers import free_port

README = Path(__file__).parents[2] / "examples" / "edge_gateway" / "README.md"


class Place(NamedTuple):
    """Where the broker of the flow is (what ``Listener`` asks for)."""

    port: int
    host: str = "127.0.0.1"
    password: None = None


class Example:
    """The project that the README sets up, and its ports."""

    def __init__(self, folder: Path) -> None:
        for name in ("nanodet", "mobilenet_v2_cls", "vtest"):
            pulled(name)
        make, enter, *prepare, export, up = commands()
        run(make, folder)
        self.folder = folder / enter.removeprefix("cd ")
        for command in prepare:
            run(command, self.folder)
        self.variable, _, source = export.removeprefix("export ").partition("=")
        self.clip = run(source.removeprefix("$(").removesuffix(")"), self.folder).strip()
        self.up = shlex.split(up)[1:]

    def start(self, clip: str) -> tuple[Command, Place, int, int]:
        """Run it on a clip; return it, its broker, the ports of dashboard and metrics."""
        broker, http, metrics = free_port(), free_port(), free_port()
        ports = {
            "EDGE_MQTT_PORT": broker, "EDGE_METRICS_PORT": metrics, "GATEWAY_HTTP_PORT": http,
        }  # fmt: skip
        named = {name: str(port) for name, port in ports.items()} | {self.variable: clip}
        return Command(*self.up, folder=self.folder, **named), Place(broker), http, metrics


def commands() -> list[str]:
    first = re.search(r"```bash\n(.*?)```", README.read_text(), re.DOTALL)
    assert first
    return first[1].splitlines()


def run(command: str, folder: Path) -> str:
    edgeflow, *words = shlex.split(command)
    assert edgeflow == "edgeflow"
    program = Path(sys.executable).with_name(edgeflow)
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example(tmp_path_factory.mktemp("example"))


def activities(port: int) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{port}/api/activity?limit=2000"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def env(co2: float) -> bytes:
    return json.dumps({"co2_ppm": co2, "temperature_c": 22.0, "humidity_pct": 45.0}).encode()


def actions(port: int) -> list[dict[str, Any]]:
    """Return the actions that succeeded."""
    return [each for each in activities(port) if each["kind"] == "action" and each["ok"]]


@contextlib.contextmanager
def listening_to(command: Command, broker: Place, topic: str) -> Iterator[Listener]:
    command.says("mqtt_broker_started")
    command.says("dashboard_ready")
    listener = Listener(broker, topic)  # type: ignore[arg-type]
    try:
        yield listener
    finally:
        listener.close()


def test_people_on_the_crossing_and_bad_air(example: Example) -> None:
    command, broker, http, _ = example.start(example.clip)
    with command, listening_to(command, broker, "#") as listener:
        until(lambda: topics(listener) >= {"actuators/crossing-light", "street/people"}, 60)
        said = next(json.loads(body) for topic, body in listener.got if "light" in topic)
        assert (said["agent"], said["pipeline"]) == ("crossing_light", "street-vision")
        listener.publish("sensors/attic/env", env(500)).wait_for_publish(20)
        listener.publish("sensors/attic/env", env(950)).wait_for_publish(20)
        wanted = {"crossing_light", "headcount", "archive", "air_alert"}
        until(lambda: {each["agent"] for each in actions(http)} >= wanted, 60)
        (alert,) = [each for each in actions(http) if each["agent"] == "air_alert"]
        assert "950" in alert["text"]
        assert list((example.folder / "snapshots").rglob("*.jpg"))
        code, _ = command.end()
        assert code == 0


def test_an_empty_street_and_good_air_are_silent(example: Example, tmp_path: Path) -> None:
    clip = tmp_path / "empty.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    for _ in range(20):
        writer.write(np.full((576, 768, 3), 110, np.uint8))
    writer.release()
    command, broker, http, metrics = example.start(str(clip))
    with command, listening_to(command, broker, "#") as listener:
        listener.publish("sensors/attic/env", env(500)).wait_for_publish(20)
        until(lambda: done(metrics, "street-vision") >= 15, 60)
        until(lambda: done(metrics, "air-quality") == 1, 60)
        assert topics(listener) <= {"sensors/attic/env", "street/people"}
        assert {each["agent"] for each in actions(http)} <= {"headcount"}
        assert all(json.loads(body)["people"] == 0 for topic, body in listener.got
                   if topic == "street/people")  # fmt: skip


def topics(listener: Listener) -> set[str]:
    return {topic for topic, _ in listener.got}


def done(port: int, pipeline: str) -> int:
    """Return how many messages have left a pipeline."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    found = re.search(rf'^eig_pipeline_latency_ms_count{{pipeline="{pipeline}"}} (\d+)', page, re.M)
    return int(found[1]) if found else 0
