"""The example that joins all systems, as the one workload it is deployed as."""

import json
import urllib.request

from deployed_processes import deployed

from edgeflow.deploy.planning import plan_file
from edgeflow.systems.room_demo import lay_out
from flows import wait_until
from pulled import pulled
from servers import free_port

PORTS = ("ROOM_CAMERA_PORT", "ROOM_BOARD_PORT", "ROOM_CSI_PORT", "ROOM_MQTT_PORT")


def test_the_smart_room_senses_forecasts_and_keeps_what_was(tmp_path, monkeypatch):
    pulled("centerface")
    project, folder = tmp_path / "project", tmp_path / "run"
    folder.mkdir()
    lay_out(project)
    given = {name: str(free_port()) for name in (*PORTS, "ROOM_METRICS_PORT")}
    given["ROOM_CAMERA"] = f"http://127.0.0.1:{given['ROOM_CAMERA_PORT']}/"
    given["ROOM_CLIP"] = str(pulled("carphone"))
    models = project / "models.yaml"
    models.write_text(models.read_text().replace("8191", given["ROOM_BOARD_PORT"]))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    stack = plan_file(project / "pipelines.yaml")
    assert set(stack.wanted_secrets) == set(given)
    with deployed(stack, folder, **given) as running:
        running.await_ready(90)
        (instance,) = running.instances
        address = f"http://127.0.0.1:{running.port(instance.workload, 'http')}/api/nodes"
        token = {"Authorization": f"Bearer {running.secrets['EDGEFLOW_TOKEN']}"}

        def work() -> bool:
            with urllib.request.urlopen(
                urllib.request.Request(address, headers=token), timeout=10
            ) as got:
                nodes = {node["name"]: node for node in json.load(got)}
            assert {node["state"] for node in nodes.values()} == {"running"}
            sent = [nodes[name]["frames_out"] for name in ("people", "presence", "air", "room")]
            return (
                all(sent) and nodes["forecast"]["frames_out"] > 0 < nodes["database"]["frames_in"]
            )

        wait_until(work, 60)
        assert (folder / instance.name / "data" / "room.db").stat().st_size > 0
