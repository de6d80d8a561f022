"""``edgeflow climate serve`` as a process: rooms in, windows out, nothing left behind."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil

import mqtt_brokers
from climate_processes import until
from edgeflow.comms.mqtt import MqttClient, MqttOptions
from edgeflow.protocols.climate import decode_control
from edgeflow.store.catalogue import TABLES
from edgeflow.store.sqlite_tables import SqliteTables
from servers import free_port

ROOMS = 10
SECONDS = 40.0


async def live(url: str) -> dict[str, float]:
    """Ten rooms that speak once, and the positions that they are told."""
    told: dict[str, float] = {}
    async with MqttClient(MqttOptions.from_url(url)) as rooms:
        await rooms.wait_connected(SECONDS)
        await rooms.subscribe("window/+/control", qos=1)
        for number in range(ROOMS):
            name = f"room-{number}"
            await rooms.publish(f"sensor/{name}/temperature", f"{18 + number}", qos=1)
            await rooms.publish(f"sensor/{name}/humidity", b"50", qos=1)
            await rooms.publish(f"sensor/{name}/audio", b'{"data":"AAAA"}', qos=1)
        async with asyncio.timeout(SECONDS):
            async for message in rooms.messages():
                control = decode_control(message.payload)
                told[control.device_id] = control.position
                if len(told) == ROOMS:
                    break
    return told


def test_ten_rooms_are_read_kept_and_answered(tmp_path: Path) -> None:
    broker = mqtt_brokers.make("nats", tmp_path / "broker")
    broker.start()
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("edgeflow")),
        "climate",
        "serve",
        "--broker",
        broker.url,
    ]
    command += ["--store", f"sqlite:///{tmp_path}/home.db", "--folder", str(tmp_path / "climate")]
    process = subprocess.Popen(
        [*command, "--metrics-port", str(port), "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        dashboard = ""
        for line in process.stderr:
            if line.startswith("Dashboard"):
                dashboard = line.split()[1].removesuffix("/dashboard")
            if line.startswith("Metrics"):
                break
        told = asyncio.run(live(broker.url))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        with urllib.request.urlopen(f"{dashboard}/api/climate/devices", timeout=10) as answer:
            shown = json.load(answer)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        broker.stop()
    assert process.returncode == 0
    assert "30 readings, 0 refused" in said
    assert told["room-9"] > told["room-0"], "the warmer room is opened wider"
    assert (shown["total"], shown["online"]) == (ROOMS, ROOMS)
    assert 'iot_device_last_seen{device_id="room-3"}' in page
    assert 'iot_readings_total{kind="audio"} 10.0' in page
    store = SqliteTables(str(tmp_path / "home.db"))
    store.create(list(TABLES.values()))
    assert len(store.rows("window_actions")) == ROOMS
    assert len(store.latest("device_registry")) == ROOMS
    store.close()


def test_it_can_be_ended_while_the_first_model_is_made(tmp_path: Path) -> None:
    """A busy machine takes half a minute for it; nobody has to wait for what nobody wants."""
    program = str(Path(sys.executable).with_name("edgeflow"))
    command = [program, "climate", "serve", "--broker", "mqtt://embedded", "--no-dashboard"]
    command += ["--store", f"sqlite:///{tmp_path}/home.db", "--folder", str(tmp_path / "climate")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        children: list[psutil.Process] = []

        def begins() -> bool:
            children[:] = psutil.Process(process.pid).children()
            with contextlib.suppress(psutil.Error):
                return any("own_process_child" in str(each.cmdline()) for each in children)
            return False

        until(begins, 60, "the making of the first model")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait(10)
    assert (process.returncode, "Traceback" in said) == (130, False), said
    assert len(children) >= 2  # the broker as well
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_versions_of_the_model_are_listed(tmp_path: Path) -> None:
    from edgeflow.climate.learning.versions import Versions

    Versions(tmp_path / "models").load_or_begin()
    command = [
        str(Path(sys.executable).with_name("edgeflow")),
        "climate",
        "models",
        "list",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["current"] == "v1"
    assert told["versions"][0]["error"] < 10
