"""The alerts: as promtool sees them, and fired by a real Prometheus for a device that stopped."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import mqtt_brokers
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from servers import free_port

STACK = Path(__file__).parents[2] / "stack" / "prometheus"
INSTALL = "apt-get install --yes --no-install-recommends prometheus"
QUIET = 5.0
"""Seconds, in the place of the five minutes of the rule."""
PATIENCE = 60.0


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {INSTALL}")
    return found


@pytest.mark.parametrize(
    "command", [["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]]
)
def test_promtool_finds_nothing_wrong(command: list[str]) -> None:
    words = [tool("promtool"), *command]
    done = subprocess.run(
        words, check=False, cwd=STACK, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def ended(command: list[str], folder: Path, name: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)


def configuration(folder: Path, metrics_port: int) -> Path:
    """The one of the stack, faster, and with an address where it asks for a name."""
    rules = (STACK / "alerts.yml").read_text()
    assert rules.count("> 300") == 1
    (folder / "alerts.yml").write_text(rules.replace("> 300", f"> {QUIET:g}"))
    text = (STACK / "prometheus.yml").read_text().replace(": 15s", ": 250ms", 2)
    head, found, _ = text.partition("    dns_sd_configs:")
    assert found
    target = f"    static_configs: [{{targets: ['127.0.0.1:{metrics_port}']}}]\n"
    (folder / "prometheus.yml").write_text(head + target)
    return folder / "prometheus.yml"


async def watch(broker: str, prometheus: str) -> tuple[float, set[str]]:
    """Two devices speak, one stops: how long it was silent when an alert came, and of whom."""
    async with MqttClient(MqttOptions.from_url(broker)) as devices:
        await devices.wait_connected(PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while not await known(prometheus):
                for name in ("stops", "stays"):
                    await devices.publish(f"sensor/{name}/temperature", b"21", qos=1)
                await asyncio.sleep(0.1)
            stopped = time.monotonic()
            while True:
                await devices.publish("sensor/stays/temperature", b"21", qos=1)
                firing = await alerts(prometheus)
                if firing:
                    return time.monotonic() - stopped, firing
                await asyncio.sleep(0.1)


async def known(prometheus: str) -> bool:
    """Whether Prometheus has seen both devices."""
    try:
        found = await asyncio.to_thread(answer, f"{prometheus}/query?query=iot_device_last_seen")
    except OSError:
        return False
    return len(found["data"]["result"]) == 2


async def alerts(prometheus: str) -> set[str]:
    found = await asyncio.to_thread(answer, f"{prometheus}/alerts")
    return {
        f"{each['labels']['alertname']} {each['labels'].get('device_id', '')}"
        for each in found["data"]["alerts"]
        if each["state"] == "firing"
    }


def test_a_device_that_stopped_is_told_and_not_before(tmp_path: Path) -> None:
    prometheus, port, metrics_port = tool("prometheus"), free_port(), free_port()
    broker = mqtt_brokers.make("nats", tmp_path / "broker")
    serve = [str(Path(sys.executable).with_name("edgeflow")), "climate", "serve"]
    serve += ["--broker", broker.url, "--role", "backend", "--metrics-port", str(metrics_port)]
    serve += ["--store", f"sqlite:///{tmp_path}/home.db", "--folder", str(tmp_path / "climate")]
    scrape = [prometheus, f"--config.file={configuration(tmp_path, metrics_port)}"]
    scrape += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={tmp_path}/tsdb"]
    with (
        broker,
        ended(serve, tmp_path, "serve"),
        ended(scrape, tmp_path, "prometheus"),
    ):
        silent, firing = asyncio.run(watch(broker.url, f"http://127.0.0.1:{port}/api/v1"))
    assert firing == {"DeviceOffline stops"}
    assert silent > QUIET - 0.5, "a word may have been on its way when the clock was read"
