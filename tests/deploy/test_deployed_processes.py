"""What is deployed works: every command starts, reads its environment, and pictures arrive."""

import json
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest
import redis
from deployed_flows import example, written
from deployed_processes import Deployed, deployed

from edgeflow.deploy.planning import plan_file
from flows import wait_until


def get(running: Deployed, path: str, *, token: bool = True) -> bytes:
    gateway = next(w for w in running.stack.workloads if any(p.public for p in w.ports))
    headers = {"Authorization": f"Bearer {running.secrets['EDGEFLOW_TOKEN']}"} if token else {}
    address = f"http://127.0.0.1:{running.port(gateway, 'http')}{path}"
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=5) as got:
        return got.read() if "multipart" not in got.headers["content-type"] else got.read(100_000)


def first_picture(stream: bytes) -> np.ndarray:
    start = stream.index(b"\xff\xd8")
    picture = cv2.imdecode(np.frombuffer(stream[start:], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


@pytest.mark.parametrize("broker", ["RedisBroker", "DualRedisBroker", "ZenohBroker"])
def test_the_example_flows_from_the_camera_to_the_page(tmp_path, broker):
    project, folder = tmp_path / "project", tmp_path / "run"
    project.mkdir()
    folder.mkdir()
    file = example(project, broker=broker)
    text = file.read_text().replace('name="gateway"', 'name="Video_Out"')
    file.write_text(text.replace('.to("gateway")', '.to("Video_Out")'))
    with deployed(plan_file(file), folder) as running:
        running.await_ready()
        names = [instance.name for instance in running.instances]
        servers = {"redis-0": broker != "ZenohBroker", "redis-data-0": "Dual" in broker}
        assert {name: name in names for name in servers} == servers
        assert {"gpu-processor-0", "gpu-processor-1", "video-out-0"} <= set(names)

        def rates() -> dict[str, float]:
            return json.loads(get(running, "/api/fps"))

        wait_until(lambda: all(rates().get(n, 0) > 5 for n in ("fake_camera", "gpu_processor")), 30)
        for stream in ("fake_camera", "gpu_processor"):
            assert first_picture(get(running, f"/video/{stream}")).shape == (480, 640, 3)
        boxed = first_picture(get(running, "/video/gpu_processor"))
        assert boxed[150:300, 150, 2].mean() > 200

        def alive() -> dict[str, int]:
            return {node["name"]: node["alive"] for node in json.loads(get(running, "/api/nodes"))}

        expected = {"fake_camera": 1, "gpu_processor": 2, "Video_Out": 1}
        wait_until(lambda: alive() == expected, 30)
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(running, "/api/nodes", token=False)
        refused.value.close()
        assert refused.value.code == 401
    assert list(project.iterdir()) == [file]  # it is read-only in a container


SLOW = """
import time

class Slow(ConsumerNode):
    def process(self, data):
        time.sleep(0.2)
        return data

app = EdgeApp("queue watch", broker=RedisBroker())
app.add("source", Source, options={"fps": 50})
app.add("work", Slow, options={"deploy": {"max_replicas": 4}})
app.add("drain", Drain)
app.link("source").to("work", qos="durable", queue_size=40).to("drain")
app.run()
"""


def test_an_autoscaler_can_see_the_frames_that_wait(tmp_path):
    """The stream and the group that KEDA asks about are those the broker uses, and they lag."""
    project, folder = tmp_path / "project", tmp_path / "run"
    project.mkdir()
    folder.mkdir()
    stack = plan_file(written(project, SLOW))
    scale = stack.workload("work").scale
    (stream,) = scale.streams
    with deployed(stack, folder) as running:
        running.await_ready()
        server = redis.Redis(
            port=running.port(stack.servers[0], "redis"),
            password=running.secrets["REDIS_PASSWORD"],
        )
        with server:

            def lag() -> int:
                groups = {g["name"].decode(): g for g in server.xinfo_groups(stream)}
                return groups[scale.group]["lag"] or 0

            # So many frames that all instances there may be are asked for.
            wait_until(lambda: lag() > scale.waiting * (scale.high - 1), 30)
