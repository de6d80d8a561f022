"""From a sensor's MQTT message through a model and an agent to an actuator's topic."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.report import Options, Result, main

__all__ = ["run"]

RATE = 1000.0
"""Messages per second that the sensor publishes at QoS 1."""
MODEL = "mobilenet_v2_cls"
TARGET_MS = 50.0
WARM_UP_SECONDS = 2.0
ALARM = 1000
SHARES = {"every message is an alarm": 1, "one message in ten is an alarm": 10}

YAML = """
version: 1
dashboard: false
metrics_port: -1
gateway: {{host: 127.0.0.1, port: {gateway}}}
connectors:
  - id: site
    type: mqtt
    host: 127.0.0.1
    port: {broker}
    qos: 1
    topics:
      - {{filter: sensors/+/env, pipeline: air}}
pipelines:
  - id: air
    preprocess: {{use: env.vector_to_tensor, keys: [co2_ppm, humidity_pct, temperature_c]}}
    model: mobilenet_v2_cls
    max_parallel: 2
    postprocess: env.softmax_topk
    agents: [alert]
agents:
  alert: {{type: threshold, metric: co2_ppm, threshold: 800, dispatcher: actuator}}
actions:
  actuator: {{type: mqtt, host: site, topic: actuators/bench}}
"""


@dataclass(frozen=True)
class Phase:
    """What one window gave.

    Attributes:
        times: from publishing to the actuator's message, in ms.
        lost: alarms without an action.
        rate: messages published per second.
    """

    times: np.ndarray
    lost: int
    rate: float

    def quantile(self, percent: float) -> float:
        """Return a percentile of the times."""
        return float(np.percentile(self.times, percent))


@dataclass
class Sensor:
    """A paho client that publishes readings and sees the actuator's topic."""

    port: int
    sent: dict[int, float] = field(default_factory=dict)
    latency: dict[int, float] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.max_inflight_messages_set(1000)
        self.client.on_connect = lambda client, *_: client.subscribe("actuators/bench", 0)
        self.client.on_message = lambda _client, _data, message: self._came(message.payload)
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()

    def _came(self, payload: bytes) -> None:
        now = time.perf_counter()
        n = int(json.loads(payload)["value"]) - ALARM
        self.latency.setdefault(n, now - self.sent.get(n, now))

    def publish(self, n: int, alarming: bool = True) -> None:
        """Publish reading ``n``; an alarming one is told from others by its value."""
        co2 = ALARM + n if alarming else 450
        values = {"co2_ppm": co2, "temperature_c": 21.5, "humidity_pct": 40}
        self.count = max(self.count, n + 1)
        self.sent[n] = time.perf_counter()
        self.client.publish("sensors/lab/env", json.dumps(values), qos=1)

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()


def run(options: Options) -> list[Result]:
    """Measure at ``RATE`` for a few seconds, several times, in turn with each share of alarms."""
    seconds = max(2.0, options.latency_seconds)
    found: dict[str, list[Phase]] = {name: [] for name in SHARES}
    with _system() as broker_port:
        sensor = Sensor(broker_port)
        try:
            _until_first(sensor)
            _phase(sensor, WARM_UP_SECONDS, 1)
            for _ in range(options.rounds):
                for name, every in SHARES.items():
                    found[name].append(_phase(sensor, seconds, every))
        finally:
            sensor.close()
    return [_result(name, phases, seconds) for name, phases in found.items()]


def _result(name: str, phases: list[Phase], seconds: float) -> Result:
    result = Result(f"sensor to action over MQTT, {RATE:g} messages/s at QoS 1, {name}")
    p50 = median(phase.quantile(50) for phase in phases)
    p99 = median(phase.quantile(99) for phase in phases)
    lost = sum(phase.lost for phase in phases)
    met = p99 < TARGET_MS
    wanted = f"< {TARGET_MS:g}"
    result.expect("p99 ms from publish to actuation", p99, wanted, met, ratio=p99 / TARGET_MS)
    result.expect("alarms without an action", float(lost), "0", lost == 0)
    worst = max(phase.quantile(99) for phase in phases)
    rates = ", ".join(f"{phase.rate:.0f}" for phase in phases)
    result.notes.append(
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms (medians of {len(phases)} windows of {seconds:g} s; "
        f"worst window {worst:.2f} ms); published per second: {rates}. One broker (nats-server), "
        "edgeflow serve, edgeflow up (max_parallel: 2) and the sensor, all on this machine; "
        f"{MODEL} over tensor TCP."
    )
    return result


def _phase(sensor: Sensor, seconds: float, every: int) -> Phase:
    """Publish for ``seconds``, an alarm every so many messages, and wait for its actions."""
    first, count = sensor.count, int(RATE * seconds)
    alarms = []
    begun = time.perf_counter()
    for index in range(count):
        due = begun + index / RATE
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        alarming = index % every == 0
        sensor.publish(first + index, alarming)
        if alarming:
            alarms.append(first + index)
    rate = count / (time.perf_counter() - begun)
    deadline = time.monotonic() + 10
    while any(n not in sensor.latency for n in alarms) and time.monotonic() < deadline:
        time.sleep(0.05)
    times = [sensor.latency[n] * 1e3 for n in alarms if n in sensor.latency]
    return Phase(np.array(times), len(alarms) - len(times), rate)


def _until_first(sensor: Sensor) -> None:
    deadline = time.monotonic() + 60
    while not sensor.latency and time.monotonic() < deadline:
        sensor.publish(sensor.count)
        time.sleep(0.2)
    if not sensor.latency:
        raise RuntimeError("no action came within a minute")


@contextmanager
def _system() -> Iterator[int]:
    """Run broker, models and orchestrator as processes; yield the broker's port."""
    from edgeflow.assets import build_repository
    from edgeflow.comms.mqtt.embedded import BrokerSettings, acquire

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_repository(folder / "models", [MODEL])
        lease = acquire(BrokerSettings())
        gateway = _free_port()
        text = YAML.format(gateway=gateway, broker=lease.port)
        (folder / "pipelines.yaml").write_text(text)
        serve = ["serve", "--models", str(folder / "models"), "--tcp-port", str(gateway)]
        serve += ["--http-port", "0", "--grpc-port", "0"]
        processes = [_start(folder, *serve), _start(folder, "up", "pipelines.yaml")]
        try:
            yield lease.port
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(10)
            lease.release()


def _start(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    program = str(Path(sys.executable).with_name("edgeflow"))
    quiet = subprocess.DEVNULL
    return subprocess.Popen([program, *words], cwd=folder, stdout=quiet, stderr=quiet)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main({"sensor_to_action": run}))
