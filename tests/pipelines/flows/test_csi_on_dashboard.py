"""The nodes of a connector on the dashboard of its flow: listed, set, and watched."""

import json
from pathlib import Path
from typing import Any

import httpx
from flow_parts import running
from websockets.sync.client import connect

from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.sensing.simulate import Simulation, preset
from edgeflow.sensing.simulate.sending import node_packets
from servers import free_port

FLOW = """\
version: 1
dashboard: {{port: {port}}}
connectors:
  - {{id: rooms, type: csi, port: 0, rooms: {rooms}, pipeline: rooms}}
pipelines:
  - {{id: rooms, agents: [somebody]}}
agents:
  somebody: {{type: presence_changed, dispatcher: log}}
actions:
  log: {{type: log}}
"""


def listed(http: httpx.Client) -> Any:
    try:
        return http.get("/nodes").json()
    except httpx.ConnectError:  # the dashboard comes up with the flow
        return []


def test_nodes_of_a_connector_are_set_and_watched(tmp_path: Path) -> None:
    port, rooms = free_port(), tmp_path / "rooms.json"
    with running(tmp_path, FLOW.format(port=port, rooms=rooms)) as flow:
        feed = flow.until(lambda: flow.session.connectors.get("rooms")).connector
        sensing = flow.until(lambda: feed.sensing)
        packets = node_packets(Simulation(preset("walking", seconds=600)), gate_us=0)
        root = f"127.0.0.1:{port}"
        with (
            CsiFleet(("127.0.0.1", sensing.port), [packets]),
            httpx.Client(base_url=f"http://{root}/api/csi", trust_env=False, timeout=20) as http,
        ):
            (node,) = flow.until(lambda: listed(http))
            path = f"/nodes/{node['name']}"
            assert http.get(f"{path}/calibration").json()["state"] == "learning"
            assert http.patch(f"{path}/configuration", json={"tier": 1}).json()["tier"] == 1
            assert json.loads(rooms.read_text())["nodes"]["1@127.0.77.1"]["settings"]["tier"] == 1
            with connect(f"ws://{root}/ws/csi/live?node={node['name']}") as live:
                while isinstance(live.recv(20), str):
                    pass
            with connect(f"ws://{root}/ws/stats") as stats:
                assert json.loads(stats.recv(20))["sensing"]["nodes"] == 1
