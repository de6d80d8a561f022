"""At QoS 1 nothing is lost when gateway, orchestrator or broker are killed and come back."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from flow_parts import until

from edgeflow.comms.mqtt import MqttClient, MqttOptions
from mqtt_brokers import make
from servers import free_port
from small_models import save_scale

EDGEFLOW = [sys.executable, "-c", "import sys; from edgeflow.cli import main; sys.exit(main())"]
MESSAGES = 600

PLUGIN = """
import numpy as np

from edgeflow.pipelines.agents.base import Agent
from edgeflow.pipelines.message import Action


def vector(message, payload):
    return np.full((1, 4), payload["number"], np.float32)


def result(response, message):
    return {"scaled": float(response.first[0, 0])}


class Every(Agent):
    async def handle(self, *, message, payload, latency_ms):
        found = {key: payload[key] for key in ("number", "scaled")}
        return [Action(dispatcher=self.options.dispatcher, payload=found)]
"""

FLOW = """\
version: 1
dashboard: false
metrics_port: -1
gateway: {{host: 127.0.0.1, port: {gateway}, timeout_s: 5}}
connectors:
  - id: floor
    type: mqtt
    host: 127.0.0.1
    port: {broker}
    client_id: orchestrator
    reconnect_interval: 0.2
    topics:
      - {{filter: sensors/+/env, pipeline: scaled, serializer: json}}
pipelines:
  - {{id: scaled, preprocess: mine.vector, model: scale, postprocess: mine.result, agents: [every]}}
agents:
  every: {{type: mine.Every, dispatcher: kept}}
actions:
  kept: {{type: file, path: {out}}}
"""


class Processes:
    """The two processes under test; each may be killed and started again."""

    def __init__(self, folder, broker_port):
        self.folder = folder
        self.out = folder / "out.jsonl"
        self.log = (folder / "log.txt").open("w")
        (folder / "models").mkdir()
        save_scale(folder / "models" / "scale.onnx")
        (folder / "plugins").mkdir()
        (folder / "plugins" / "mine.py").write_text(PLUGIN)
        self.port = free_port()
        text = FLOW.format(gateway=self.port, broker=broker_port, out=self.out)
        (folder / "pipelines.yaml").write_text(text)
        self.running = {}

    def start(self, name):
        words = {
            "serve": ["serve", "--models", str(self.folder / "models"),
                      "--tcp-port", str(self.port), "--http-port", "0", "--grpc-port", "0"],
            "up": ["up", str(self.folder / "pipelines.yaml")],
        }[name]  # fmt: skip
        self.running[name] = subprocess.Popen(
            [*EDGEFLOW, *words], stdout=self.log, stderr=self.log, env=dict(os.environ)
        )

    def kill(self, name):
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(20)

    def numbers(self):
        """Return what has arrived, with the model's answer; a killed writer leaves half a line."""
        found = {}
        for line in self.out.read_text().splitlines() if self.out.exists() else ():
            try:
                payload = json.loads(line)["payload"]
            except ValueError:
                continue
            found[payload["number"]] = payload["scaled"]
        return found

    def close(self):
        for name in [*self.running]:
            self.kill(name)
        self.log.close()


class Sensor(threading.Thread):
    """Publishes numbers at QoS 1 and waits for each to be confirmed."""

    def __init__(self, broker):
        super().__init__()
        self.broker = broker
        self.sent = 0
        self.error = None

    def run(self):
        try:
            asyncio.run(self.publish())
        except Exception as error:
            self.error = error

    async def publish(self):
        options = MqttOptions(
            host=self.broker.host, port=self.broker.port, backoff=0.05, backoff_cap=0.2,
            client_id="sensor", clean_session=False,
        )  # fmt: skip
        async with MqttClient(options) as client:
            for number in range(MESSAGES):
                data = json.dumps({"number": number}).encode()
                await client.publish("sensors/a/env", data, qos=1, timeout=60)
                self.sent = number + 1
                await asyncio.sleep(0.002)


@pytest.fixture
def processes(tmp_path):
    with make("nats", tmp_path / "broker") as broker:
        made = Processes(tmp_path, broker.port)
        try:
            yield made, broker
        finally:
            made.close()


def test_every_message_becomes_an_action_whatever_is_killed(processes):
    made, broker = processes
    made.start("serve")
    made.start("up")
    sensor = Sensor(broker)
    # the session has to exist at the broker before messages can wait in it
    until(lambda: "connector_connected" in log(made) or "mqtt_connected" in log(made), 60)
    time.sleep(0.3)
    sensor.start()
    steps = ((0.1, "reload"), (0.25, "serve"), (0.45, "up"), (0.65, "broker"), (0.85, "serve"))
    for share, name in steps:
        until(lambda share=share: sensor.sent > share * MESSAGES or sensor.error, 60)
        if name == "broker":
            broker.kill()
            broker.start()
        elif name == "reload":
            made.running["up"].send_signal(signal.SIGHUP)
            until(lambda: "flow_reloaded" in log(made), 60)
        else:
            made.kill(name)
            made.start(name)
    sensor.join(60)
    assert sensor.error is None and sensor.sent == MESSAGES
    until(lambda: len(made.numbers()) == MESSAGES, 60)
    found = made.numbers()
    assert sorted(found) == list(range(MESSAGES))
    scale = found[1]
    assert scale != 0
    assert np.allclose([found[n] for n in range(MESSAGES)], np.arange(MESSAGES) * scale)


def log(made):
    return (made.folder / "log.txt").read_text()
