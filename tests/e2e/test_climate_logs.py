"""One decision in the JSON logs of two processes, by its correlation id."""

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mqtt_brokers
from edgeflow.climate.learning.learner import first_model
from edgeflow.climate.learning.versions import Versions
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.protocols.climate import WindowControl, decode_control

SECONDS = 90.0


class Logged:
    """A process whose log is read as it comes; what is no JSON is what people are told."""

    def __init__(self, *words: str, folder: Path) -> None:
        program = str(Path(sys.executable).with_name("edgeflow"))
        self.events: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._fresh = threading.Condition()
        self._process = subprocess.Popen(
            [program, "climate", "serve", *words],
            stderr=subprocess.PIPE,
            cwd=folder,
            text=True,
            env=os.environ | {"EDGEFLOW_LOG": "json", "EDGEFLOW_LOG_LEVEL": "debug"},
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._fresh:
                if line.startswith("{"):
                    self.events.append(json.loads(line))
                else:
                    self.said.append(line)
                self._fresh.notify_all()

    def event(self, name: str, **wanted: object) -> dict[str, Any]:
        """The first event of a name with these fields, when it comes."""

        def found() -> list[dict[str, Any]]:
            pairs = {"event": name, **wanted}.items()
            return [each for each in self.events if pairs <= each.items()]

        with self._fresh:
            assert self._fresh.wait_for(found, SECONDS), (name, self.said)
            return found()[0]

    def tells(self, words: str) -> None:
        """Wait until people are told something."""
        with self._fresh:
            assert self._fresh.wait_for(lambda: any(words in each for each in self.said), SECONDS)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)
        self._thread.join(SECONDS)
        if self._process.stderr is not None:
            self._process.stderr.close()


@contextlib.contextmanager
def logged(*words: str, folder: Path) -> Iterator[Logged]:
    made = Logged(*words, folder=folder)
    try:
        yield made
    finally:
        made.close()


async def speak(url: str) -> WindowControl:
    """A room that speaks until its window is told something: who listens may not be there yet."""
    async with MqttClient(MqttOptions.from_url(url)) as room:
        await room.wait_connected(SECONDS)
        await room.subscribe("window/attic/control", qos=1)
        messages = room.messages()
        told = asyncio.create_task(anext(messages))
        async with asyncio.timeout(SECONDS):
            for number in itertools.count(812):
                await room.publish("sensor/attic/humidity", b"50", qos=1)
                await room.publish("sensor/attic/audio", b'{"data":"AAAA"}', qos=1)
                reading = b'{"value": 27.5, "sequence": %d, "boot": 7}' % number
                await room.publish("sensor/attic/temperature", reading, qos=1)
                done, _ = await asyncio.wait([told], timeout=0.5)
                if done:
                    break
        return decode_control((await told).payload)


def test_a_decision_is_followed_from_the_sensor_to_the_window(tmp_path: Path) -> None:
    model = first_model(0.0, count=200)
    versions = Versions(tmp_path / "climate" / "models")
    versions.add(model)
    versions.use(model.metadata.version)
    broker = mqtt_brokers.make("nats", tmp_path / "broker")
    common = ("--broker", broker.url, "--store", f"sqlite:///{tmp_path}/home.db")
    with (
        broker,
        logged("--role", "backend", "--no-dashboard", *common, folder=tmp_path) as backend,
        logged("--role", "ml", *common, folder=tmp_path) as learning,
    ):
        backend.event("mqtt_connected")
        learning.event("mqtt_connected")
        learning.tells("decides")  # else the first request is one that nobody hears
        control = asyncio.run(speak(broker.url))
        own = {"correlation_id": control.correlation_id}
        asked = backend.event("decision_asked", **own)
        decided = learning.event("window_decided", **own)
        kept = backend.event("decision_kept", **own)
    assert (asked["device"], asked["trigger"]) == ("attic", "first_inference")
    assert (asked["sensor"], asked["boot"]) == ("temperature", 7)
    assert asked["sequence"] >= 812
    assert decided["position"] == kept["position"] == control.position
    assert asked["timestamp"] <= decided["timestamp"] <= kept["timestamp"]
    assert {asked["level"], decided["level"]} == {"debug"}
