"""A flow of ``--node`` processes over zenoh: seen from one of them, and killed part by part."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgeflow.runtime.attach import attach
from flows import wait_until
from servers import free_port

FLOW = """
import json, os
from edgeflow import EdgeApp, QoS
from edgeflow.comms.brokers import ZenohBroker
from edgeflow.nodes import ConsumerNode, ProducerNode, SinkNode

app = EdgeApp("meshed", broker=ZenohBroker())
COUNT = int(os.environ["COUNT"])

@app.node(name="source", fps=500)
class Source(ProducerNode):
    def produce(self):
        return {"n": self.next_id} if self.next_id < COUNT else None

@app.node(name="step", replicas=2)
class Step(ConsumerNode):
    def process(self, data):
        return data

@app.node(name="sink")
class Sink(SinkNode):
    def configure(self):
        self.file = open(os.environ["OUT"], "a", buffering=1)

    def write(self, frame):
        self.file.write(json.dumps([frame.data["n"], frame.redelivered]) + "\\n")

app.link("source").to("step", qos=QoS.DURABLE).to("sink", qos=QoS.DURABLE)

if __name__ == "__main__":
    app.run()
"""


DIRECT = """
import json, os
import numpy as np
from edgeflow import EdgeApp
from edgeflow.comms.brokers import ZenohBroker
from edgeflow.nodes import ConsumerNode, ProducerNode, SinkNode

app = EdgeApp("direct", broker=ZenohBroker())

@app.node(name="source", fps=50)
class Source(ProducerNode):
    def produce(self):
        return np.full((120, 160, 3), self.next_id % 200, np.uint8)

@app.node(name="step")
class Step(ConsumerNode):
    def process(self, image):
        return {"n": int(image.mean().round()), "shape": list(image.shape)}

@app.node(name="sink")
class Sink(SinkNode):
    def configure(self):
        self.file = open(os.environ["OUT"], "a", buffering=1)

    def write(self, frame):
        self.file.write(json.dumps([frame.data["n"], frame.data["shape"]]) + "\\n")

app.link("source").to("step", via="tcp", codec="jpeg:90")
app.link("step").to("sink")

if __name__ == "__main__":
    app.run()
"""


class Node:
    """A ``--node`` process that is started again when it is killed."""

    def __init__(self, script: Path, name: str, environment: dict[str, str]) -> None:
        self._command = [sys.executable, str(script), "--node", name]
        self._environment = os.environ | environment
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, env=self._environment, stderr=subprocess.DEVNULL
        )

    def kill9(self) -> None:
        self.close()
        self.start()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Mesh:
    """Processes of the flow; the sink's is where the others connect."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        count: int,
        *,
        spool: bool = False,
        flow: str = FLOW,
        names: tuple[str, ...] = ("sink", "step", "step", "source"),
    ) -> None:
        script, self.out = folder / "main.py", folder / "out.jsonl"
        script.write_text(flow)
        self.out.touch()
        hub = f"tcp/127.0.0.1:{free_port()}"
        common = {"COUNT": str(count), "OUT": str(self.out)}
        self.nodes = []
        for number, name in enumerate(names):
            own = {"EDGEFLOW_ZENOH_LISTEN": hub} if name == "sink" else {}
            own |= {"EDGEFLOW_ZENOH_CONNECT": hub, "HOSTNAME": f"host{number}"}
            if spool:
                own["EDGEFLOW_ZENOH_SPOOL"] = str(folder / f"frames{number}")
            self.nodes.append(Node(script, name, common | own))
            stack.callback(self.nodes[-1].close)

    def rows(self) -> list[tuple[int, bool]]:
        text = self.out.read_text()
        return [tuple(json.loads(line)) for line in text.splitlines(keepends=True) if "\n" in line]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_every_process_sees_the_whole_flow_and_the_clocks(tmp_path: Path, stack: ExitStack):
    mesh = Mesh(tmp_path, stack, 300)
    wait_until(lambda: len(mesh.rows()) == 300, 60)
    with attach("meshed.sink") as flow:
        wait_until(lambda: {node.state for node in flow.status().nodes} == {"running"}, 20)
        status = flow.status()
        assert {node.name: node.alive for node in status.nodes} == {
            "source": 1, "step": 2, "sink": 1,
        }  # fmt: skip
        assert {link.via for link in status.links} == {"zenoh"}
        wait_until(lambda: flow.status().links[0].sent == 300, 20)
        wait_until(lambda: set(flow.clock_offsets_ns()) >= {"host1", "host2", "host3"}, 20)
        clocks = {clock.host: clock for clock in flow.status().clocks}
        assert set(clocks) == {"host1", "host2", "host3"}
        for clock in clocks.values():  # in truth they are one clock
            assert abs(clock.offset_ms) <= clock.error_ms < 1000
        assert flow.paths()[0].path == ["source", "step", "sink"]
    for node in mesh.nodes:
        node.process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert [node.process.wait(15) for node in mesh.nodes] == [130] * 4
    assert time.monotonic() - begun < 10
    assert sorted(number for number, _ in mesh.rows()) == list(range(300))


def test_no_durable_frame_is_lost_when_every_part_is_killed(tmp_path: Path, stack: ExitStack):
    count = 800
    mesh = Mesh(tmp_path, stack, count, spool=True)
    for number, node in enumerate([*mesh.nodes, mesh.nodes[3], mesh.nodes[0]]):
        wait_until(lambda least=100 * (number + 1): len(mesh.rows()) >= least, 60)
        node.kill9()
    wait_until(lambda: len({number for number, _ in mesh.rows()}) == count, 60)
    seen_before: Counter[int] = Counter()
    for number, redelivered in mesh.rows():
        assert not seen_before[number] or redelivered, f"{number} repeats unmarked"
        seen_before[number] += 1


def test_a_direct_link_leads_to_any_node(tmp_path: Path, stack: ExitStack):
    mesh = Mesh(tmp_path, stack, 0, flow=DIRECT, names=("sink", "step", "source"))
    wait_until(lambda: len(mesh.rows()) > 20, 60)
    with attach("direct.source") as flow:
        wait_until(lambda: all(link.received for link in flow.status().links), 20)
        links = {(each.source, each.target): each for each in flow.status().links}
        direct = links["source", "step"]
        assert (direct.via, direct.codec) == ("tcp", "jpeg:90")
        assert links["step", "sink"].via == "zenoh"
        assert direct.bytes < direct.sent * 120 * 160 * 3 / 10
        wait_until(lambda: flow.status().links[0].latency_p50_ms > 0, 20)  # over two clocks
    before = len(mesh.rows())
    mesh.nodes[1].kill9()
    wait_until(lambda: len(mesh.rows()) > before + 50, 60)
    numbers = [number for number, shape in mesh.rows() if shape == [120, 160, 3]]
    assert len(numbers) == len(mesh.rows())
