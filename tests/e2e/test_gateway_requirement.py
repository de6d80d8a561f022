"""The requirement's ``pipelines.yaml``, unchanged but for host and port, on real servers."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from gateway_system import Serve, Up, listening, until

from edgeflow.assets import build_repository
from mqtt_brokers import Broker, Nats
from pulled import pulled
from servers import free_port

REQUIREMENT = Path(__file__).parents[1] / "data" / "requirements" / "pipelines.yaml"
CAMERA = "sensors/floor1/cam1/frame"
PERSON_FRAME = 300


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the two models that the requirement names."""
    names = ["mobilenet_v2_cls", "yolov5n_coco"]
    for name in names:
        pulled(name)
    folder = tmp_path_factory.mktemp("models")
    build_repository(folder, names)
    return folder


@pytest.fixture(scope="module")
def system(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broker, Up]]:
    """Broker, server and orchestrator, running."""
    folder = tmp_path_factory.mktemp("system")
    broker = Nats(folder / "broker", password="changeme")
    broker.start()
    try:
        with Serve(models, folder) as server, Up(adapted(folder, broker, server.port)) as up:
            until(lambda: answers(f"http://127.0.0.1:{up.metrics_port}/readyz"), what="ready")
            yield broker, up
    finally:
        broker.kill()


def adapted(folder: Path, broker: Broker, gateway_port: int) -> Path:
    """Write the requirement's file with the hosts and ports of this machine."""
    metrics = free_port()
    text = REQUIREMENT.read_text()
    for old, new in (
        ("host: 192.168.10.40", f"host: {broker.host}"),
        ("port: 1883", f"port: {broker.port}"),
        ("port: 8008", f"port: {gateway_port}"),
        ("version: 1\n", f"version: 1\nmetrics_port: {metrics}\n"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    file = folder / "pipelines.yaml"
    file.write_text(text)
    return file


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def activities(up: Up) -> list[dict]:
    url = f"http://127.0.0.1:{up.http_port}/api/activity?limit=2000"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def env(co2: float) -> bytes:
    return json.dumps({"co2_ppm": co2, "temperature_c": 22.0, "humidity_pct": 45.0}).encode()


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def people() -> bytes:
    """Return a frame of a street with pedestrians."""
    video = cv2.VideoCapture(str(pulled("vtest")))
    video.set(cv2.CAP_PROP_POS_FRAMES, PERSON_FRAME)
    read, image = video.read()
    video.release()
    assert read
    return jpeg(image)


def test_bad_air_is_logged_and_good_air_is_not(system: tuple[Broker, Up]) -> None:
    broker, up = system
    with listening(broker, "nothing") as sensor:
        sensor.publish("sensors/floor1/lab/env", env(500)).wait_for_publish(20)
        sensor.publish("sensors/floor1/hall/env", env(950)).wait_for_publish(20)
        found = until(
            lambda: [
                a
                for a in activities(up)
                if a["kind"] == "action" and a["agent"] == "air_quality_alert"
            ],
            what="an action",
        )
    assert [a["sensor"] for a in found] == ["sensors/floor1/hall/env"]
    assert found[0]["ok"] is True and found[0]["dispatcher"] == "log"
    up.says(r"950")


def test_a_person_in_the_zone_moves_the_actuator_and_is_archived(system: tuple[Broker, Up]) -> None:
    broker, up = system
    empty = jpeg(np.full((576, 768, 3), 110, np.uint8))
    with listening(broker, "actuators/#") as actuator:
        actuator.publish(CAMERA, empty).wait_for_publish(20)
        until(lambda: "frontdoor-vision" in counted(up), what="the empty picture came in")
        assert actuator.got == []
        actuator.publish(CAMERA, people()).wait_for_publish(20)
        until(lambda: actuator.got, what="an actuation")
    topic, body = actuator.got[0]
    said = json.loads(body)
    assert topic == "actuators/frontdoor"
    assert (said["agent"], said["pipeline"]) == ("frontdoor_guard", "frontdoor-vision")
    archived = until(
        lambda: [
            a for a in activities(up) if a["agent"] == "frontdoor_archive" and a["kind"] == "action"
        ],
        what="a snapshot",
    )
    assert archived[0]["ok"] is True


def counted(up: Up) -> str:
    """Return the lines of finished messages of the vision pipeline."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{up.metrics_port}/metrics", timeout=10
    ) as answer:
        lines = answer.read().decode().splitlines()
    return "\n".join(
        line
        for line in lines
        if line.startswith("eig_pipeline_latency_ms_count") and not line.endswith(" 0.0")
    )


def test_hostile_pictures_are_refused_and_the_flow_goes_on(system: tuple[Broker, Up]) -> None:
    broker, up = system
    bomb = bytearray(jpeg(np.zeros((16, 16, 3), np.uint8)))
    at = bomb.index(b"\xff\xc0")
    bomb[at + 5 : at + 9] = b"\xff\xff\xff\xff"  # 65535 x 65535 pixels
    with listening(broker, "actuators/#") as actuator:
        for payload in (bytes(bomb), b"", b"\xff\xd8\xff", people()[:4000], b"x" * 100_000):
            actuator.publish(CAMERA, payload).wait_for_publish(20)
        actuator.publish(CAMERA, people()).wait_for_publish(20)
        actuator.publish("sensors/floor1/lab/env", b"{").wait_for_publish(20)
        actuator.publish("sensors/floor1/attic/env", env(1200)).wait_for_publish(20)
        until(
            lambda: any(
                a["sensor"].endswith("attic/env") and a["kind"] == "action" for a in activities(up)
            ),
            what="the alert after hostile messages",
        )
    assert up.process.poll() is None


def test_both_end_quickly_when_told_to(models: Path, tmp_path: Path) -> None:
    broker = Nats(tmp_path / "broker", password="changeme")
    broker.start()
    try:
        with Serve(models, tmp_path) as server, Up(adapted(tmp_path, broker, server.port)) as up:
            until(lambda: answers(f"http://127.0.0.1:{up.metrics_port}/readyz"), what="ready")
            for command in (up, server):
                code, seconds = command.end()
                assert code == 0 and seconds < 6
    finally:
        broker.kill()
