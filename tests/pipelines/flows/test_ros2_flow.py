"""From a robot's message to a message for the robot, through a whole flow."""

import json
import time
from pathlib import Path

from edgeflow.observe.activity import ActivityBook
from edgeflow.pipelines.loading.loader import load
from edgeflow.pipelines.orchestrator import Orchestrator
from ros2_sides import DOMAIN, Peer, eventually, peer_process, some_topic

FLOW = """
version: 1
dashboard: false
metrics_port: 0
connectors:
  - id: robot
    type: ros2
    domain: {domain}
    interface: {interface}
    reliability: reliable
    topics:
      - {{filter: {air}, message: sensor_msgs/Temperature, pipeline: air}}
      - {{filter: {camera}, message: sensor_msgs/Image, pipeline: vision}}
pipelines:
  - {{id: air, agents: [warm]}}
  - {{id: vision, agents: [archive]}}
agents:
  warm: {{type: threshold, metric: temperature, threshold: 30, dispatcher: fan}}
  archive: {{type: snapshot_archive, folder: snapshots, dispatcher: log}}
actions:
  log: {{type: log}}
  fan: {{type: ros2, domain: {domain}, interface: {interface}, topic: {fan}}}
"""


def warm(peer: Peer, air: str, celsius: float) -> None:
    header = {"stamp": {"sec": int(time.time()), "nanosec": 0}, "frame_id": "lab"}
    fields = {"header": header, "temperature": celsius, "variance": 0.0}
    peer.write(air, "Temperature", fields=fields)


def test_a_robot_is_heard_and_told_also_after_a_reload(tmp_path: Path) -> None:
    air, camera, fan = some_topic(), some_topic(), some_topic()
    file = tmp_path / "pipelines.yaml"
    names = {"domain": DOMAIN, "air": air, "camera": camera, "fan": fan}
    file.write_text(FLOW.format(interface="lo", **names))
    orchestrator = Orchestrator(load(file), lambda: load(file), book=ActivityBook())
    with peer_process() as peer:
        orchestrator.start()
        try:
            peer.listen(fan, "String")
            warm(peer, air, 20.0)
            warm(peer, air, 31.0)
            told = json.loads(peer.read(fan)["data"])
            assert (told["agent"], told["event"], told["value"]) == ("warm", "alarm", 31.0)
            image = {"height": 4, "width": 4, "encoding": "rgb8", "is_bigendian": 0, "step": 12}
            header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": "cam"}
            peer.write(camera, "Image", fields={"header": header, **image, "data": [9] * 48})
            eventually(lambda: list((tmp_path / "snapshots").rglob("*.jpg")))
            file.write_text(FLOW.format(interface="127.0.0.1", **names))
            orchestrator.reload()
            warm(peer, air, 20.0)
            warm(peer, air, 32.0)
            assert json.loads(peer.read(fan)["data"])["value"] == 32.0
        finally:
            assert orchestrator.stop()
