"""The entry point of the plan's ``ml_service``, with the plan's configuration."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mqtt_brokers
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.versions import Versions
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.protocols.climate import WindowControl, decode_control

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "ml_service/src/main.py"
SECONDS = 90.0
REQUEST = {"device_id": "attic", "timestamp": "2026-05-01T10:00:00Z", "temperature": 27.0}
REQUEST |= {"humidity": 50.0, "sound_volume": -40.0, "correlation_id": "c-1"}


def run(config: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"ML_SERVICE_CONFIG": str(config)}
    environment |= {"MQTT_USERNAME": "edge", "MQTT_PASSWORD": "p@ss/word"}
    return subprocess.Popen(
        [sys.executable, MAIN],
        cwd=config.parent,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


async def ask(broker: mqtt_brokers.Broker, service: subprocess.Popen[str]) -> WindowControl:
    """Ask until somebody answers."""
    url = broker.url.replace("://", "://edge:p%40ss%2Fword@")
    async with MqttClient(MqttOptions.from_url(url)) as backend:
        await backend.wait_connected(SECONDS)
        await backend.subscribe("window/attic/control", qos=1)
        messages = backend.messages()
        told = asyncio.create_task(anext(messages))
        async with asyncio.timeout(SECONDS):
            while not told.done():
                assert service.poll() is None, "it ended"
                body = json.dumps(REQUEST).encode()
                await backend.publish("ml/inference/request/attic", body, qos=1)
                await asyncio.wait([told], timeout=0.5)
        return decode_control((await told).payload)


def test_a_request_is_answered_by_the_plan_s_configuration(tmp_path: Path) -> None:
    model = first_model(0.0, count=200)
    versions = Versions(tmp_path / "models")
    versions.add(model)
    versions.use(model.metadata.version)
    broker = mqtt_brokers.Nats(tmp_path / "broker", password="p@ss/word")
    text = (ROOT / "ml_service/config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("port: 1883", f"port: {broker.port}"))
    with broker, run(tmp_path / "config.yaml") as service:
        try:
            control = asyncio.run(ask(broker, service))
        finally:
            service.terminate()
            _, said = service.communicate(timeout=SECONDS)
    assert (control.correlation_id, control.model_version) == ("c-1", "v1")
    assert service.returncode == 0
    connected = [json.loads(line) for line in said.splitlines() if "mqtt_connected" in line]
    assert connected[0]["client"] == "ml-service"
    assert "p@ss" not in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mqtt: {qos: 0}", "it can only be 1"),
        ("mqtt: {topics: {window_control: window/control}}", "window/{device_id}/control"),
        ("- 1", "sections"),
        ("mqtt: [", "config.yaml"),
        ("a: &a [x]\nmqtt: !!python/object/apply:os.system [true]", "config.yaml"),
    ],
)
def test_a_configuration_that_means_something_else_is_refused(
    tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with run(tmp_path / "config.yaml") as service:
        _, said = service.communicate(timeout=SECONDS)
    assert service.returncode == 3
    assert said.startswith("error[EF-CONFIG-001]")
    assert why in said
