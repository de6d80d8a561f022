"""Broker, models and orchestrator killed in turn under QoS 1 messages: nothing is lost."""

import json
import time
from pathlib import Path

import pytest
from gateway_system import Serve, Up, listening, until

from edgeflow.assets import build_repository
from mqtt_brokers import Nats
from pulled import pulled
from servers import free_port

COUNT = 1500
RATE = 250

YAML = """
version: 1
metrics_port: {metrics}
gateway: {{host: 127.0.0.1, port: {gateway}}}
connectors:
  - id: site
    type: mqtt
    host: 127.0.0.1
    port: {broker}
    qos: 1
    client_id: edge
    reconnect_interval: 0.5
    topics:
      - {{filter: sensors/+/env, pipeline: air}}
pipelines:
  - id: air
    preprocess: {{use: env.vector_to_tensor, keys: [co2_ppm, humidity_pct, temperature_c]}}
    model: mobilenet_v2_cls
    postprocess: env.softmax_topk
    agents: [witness]
agents:
  witness: {{type: "witness:Witness", dispatcher: journal}}
actions:
  journal: {{type: file, path: journal.jsonl}}
"""

WITNESS = '''
from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.message import Action


class Witness(Agent):
    """Notes every result."""

    async def handle(self, *, message, payload, latency_ms):
        noted = {"n": payload["n"], "label": payload["classes"][0]["label"]}
        return [Action(dispatcher=self.options.dispatcher, payload=noted)]
'''


def noted(folder: Path) -> list[int]:
    file = folder / "journal.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line)["payload"]["n"])
        except ValueError:  # a line that was being written when the process was killed
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_kills_lose_no_message(tmp_path: Path) -> None:
    pulled("mobilenet_v2_cls")
    build_repository(tmp_path / "models", ["mobilenet_v2_cls"])
    broker = Nats(tmp_path / "broker")
    broker.start()
    gateway = free_port()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "witness.py").write_text(WITNESS)
    file = tmp_path / "pipelines.yaml"
    file.write_text(YAML.format(metrics=free_port(), gateway=gateway, broker=broker.port))

    server, up = Serve(tmp_path / "models", tmp_path, gateway), Up(file)
    try:
        with listening(broker, "nothing", client_id="sensor") as sensor:
            up.says("running|Running")
            until(lambda: _one_came(sensor, tmp_path), what="the first message")
            faults = {COUNT // 4: "server", COUNT // 2: "broker", COUNT * 3 // 4: "up"}
            for n in range(COUNT):
                sensor.publish("sensors/lab/env", _reading(n))
                time.sleep(1 / RATE)
                fault = faults.get(n)
                if fault == "server":
                    server.kill()
                    server.__exit__()
                    server = Serve(tmp_path / "models", tmp_path, gateway)
                elif fault == "broker":
                    broker.kill()
                    broker.start()
                elif fault == "up":
                    up.kill()
                    up.__exit__()
                    up = Up(file)
            until(lambda: set(noted(tmp_path)) >= set(range(COUNT)), 90, what="all of them")
    finally:
        server.__exit__()
        up.__exit__()
        broker.kill()


def _reading(n: int) -> bytes:
    values = {"n": n, "co2_ppm": 400 + n % 800, "temperature_c": 21.5, "humidity_pct": 40}
    return json.dumps(values).encode()


def _one_came(sensor, folder: Path) -> bool:
    """Publish a first message until the whole chain stands."""
    sensor.publish("sensors/lab/env", _reading(-1))
    time.sleep(0.3)
    return -1 in noted(folder)
