"""The second input style: nodes that name their topics, on one host and a node at a time."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from edgeflow.runtime.attach import attach
from flows import wait_until
from servers import valkey

NODES = """
from edgeflow.nodes import ConsumerNode


class Halver(ConsumerNode):
    def configure(self):
        self.input_topics = ["camera"]
        self.output_topic = "halves"

    def process(self, data):
        return data // self.by
"""

MAIN = """
import numpy as np

from edgeflow import EdgeApp
from edgeflow.comms.brokers import DualRedisBroker
from edgeflow.nodes import FusionNode, ProducerNode, SinkNode
from nodes import Halver

app = EdgeApp("styles", broker=DualRedisBroker())
app.node(name="halver", type="consumer", by=2)(Halver)


@app.node(name="camera", type="producer", fps=20)
class Camera(ProducerNode):
    def produce(self):
        return np.full((2, 3), 40 + self.next_id % 100, np.uint8)


@app.node(name="both", type="fusion")
class Both(FusionNode):
    def configure(self):
        self.slop = 0.01
        self.input_topics = ["camera", "halves"]

    def process(self, frames):
        whole, half = frames
        return {"fits": bool((whole.data // 2 == half.data).all()), "same": whole.id == half.id}


@app.node(name="lines", type="sink")
class Lines(SinkNode):
    def write(self, frame):
        print(frame.data["fits"], frame.data["same"], flush=True)


app.link("both").to("lines")

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "nodes.py").write_text(NODES)
    (tmp_path / "main.py").write_text(MAIN)
    return str(tmp_path / "main.py")


def start(stack, script, *words, **environment):
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, script, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
    )
    stack.callback(process.kill)
    return process


def end(processes):
    for process in processes:
        process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert [process.wait(10) for process in processes] == [130] * len(processes)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("words", [(), ("--processes",)], ids=["threads", "processes"])
def test_on_one_host(script, words):
    with ExitStack() as stack:
        process = start(stack, script, *words)
        assert [process.stdout.readline() for _ in range(3)] == ["True True\n"] * 3
        end([process])


def test_a_node_at_a_time_on_two_servers(script):
    with ExitStack() as stack:
        control, data = stack.enter_context(valkey()), stack.enter_context(valkey())
        environment = {
            "REDIS_HOST": control.host, "REDIS_PORT": str(control.port),
            "DATA_REDIS_HOST": data.host, "DATA_REDIS_PORT": str(data.port),
        }  # fmt: skip
        names = ("lines", "both", "halver", "camera")
        nodes = [start(stack, script, "--node", name, **environment) for name in names]
        assert [nodes[0].stdout.readline() for _ in range(3)] == ["True True\n"] * 3
        with attach() as flow:  # any of the four knows the whole flow
            wait_until(lambda: all(node.alive for node in flow.status().nodes))
            assert attach("styles").info.app == attach("styles.camera").info.app == "styles"
        end(nodes)
