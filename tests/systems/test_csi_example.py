"""``examples/csi_sensing``: its program tells who comes, its flow writes and publishes it."""

import json
import subprocess
import sys
from pathlib import Path

from flow_parts import running

from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.sensing.simulate import Simulation, preset
from edgeflow.sensing.simulate.sending import node_packets
from servers import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "csi_sensing"
SPEED = 10.0


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_the_program_tells_who_comes(tmp_path):
    out = tmp_path / "events.jsonl"
    with subprocess.Popen(
        [sys.executable, EXAMPLE / "main.py", "--out", out, "--speed", "4", "--seconds", "90"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            told = next(line for line in process.stdout if "somebody came" in line)
        finally:
            process.terminate()
    first = next(line for line in lines(out) if line["kind"] == "presence")
    assert first["text"] == "somebody came"
    assert f"node {first['node']:3}" in told


def test_the_flow_writes_and_publishes_who_comes(tmp_path, monkeypatch):
    broker = free_port()
    monkeypatch.setenv("CSI_PORT", "0")
    monkeypatch.setenv("CSI_MQTT_PORT", str(broker))
    monkeypatch.setenv("GATEWAY_HTTP_PORT", str(free_port()))
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLE / "pipelines.yaml").read_text()
    text = text.replace("enter_s: 1", f"enter_s: {1 / SPEED}")
    with running(tmp_path, text) as flow:
        feed = flow.until(lambda: flow.session.connectors.get("rooms"))
        sensing = flow.until(lambda: feed.connector.sensing)
        packets = node_packets(Simulation(preset("walking", seconds=3000)), gate_us=0)
        with CsiFleet(("127.0.0.1", sensing.port), [packets], speed=SPEED):
            flow.until(lambda: lines(tmp_path / "events.jsonl"), 60)
    first = lines(tmp_path / "events.jsonl")[0]["payload"]
    assert (first["event"], first["node"]) == ("came", 1)
    assert (tmp_path / "vitals.db").exists()
