"""kill -9 of every part of a DURABLE flow over Valkey while it counts 10,000 frames."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from servers import free_port, valkey

COUNT = 10_000
FLOW = """
import json, os
from edgeflow import EdgeApp, QoS, RedisBroker
from edgeflow.nodes import ConsumerNode, GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.base import Interface

app = EdgeApp("faults", broker=RedisBroker())
COUNT = int(os.environ["COUNT"])

@app.node(name="source", fps=1500)
class Source(ProducerNode):
    def produce(self):
        if self.next_id >= COUNT:
            self.stop()
            return None
        return {"n": self.next_id}

@app.node(name="step")
class Step(ConsumerNode):
    def process(self, data):
        return data

class FileInterface(Interface):
    def open(self, context):
        self.file = open(os.environ["OUT"], "a", buffering=1)

    def on_frame(self, frame):
        self.file.write(json.dumps([frame.data["n"], frame.redelivered]) + "\\n")

    def close(self):
        self.file.close()

@app.node(name="gateway")
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(FileInterface())

app.link("source").to("step", qos=QoS.DURABLE).to("gateway", qos=QoS.DURABLE)

if __name__ == "__main__":
    app.run()
"""


class Node:
    """A ``--node`` process that is started again whenever it is killed."""

    def __init__(self, script: Path, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.kills = 0
        self._command = [sys.executable, str(script), "--node", name]
        self._environment = os.environ | environment
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, env=self._environment, stderr=subprocess.DEVNULL
        )

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
def test_no_durable_frame_is_lost_and_nothing_repeats_unmarked(tmp_path):
    script, out = tmp_path / "main.py", tmp_path / "out.jsonl"
    script.write_text(FLOW)
    out.touch()
    chance = random.Random(7)
    with valkey(persistent=True) as server, ExitStack() as stack:
        environment = {
            "COUNT": str(COUNT),
            "OUT": str(out),
            "REDIS_HOST": server.host,
            "REDIS_PORT": str(server.port),
            "GATEWAY_TCP_PORT": str(free_port()),
        }
        nodes = [Node(script, name, environment) for name in ("gateway", "step", "source")]
        for node in nodes:
            stack.callback(node.close)
        deadline = time.monotonic() + 100
        victims = iter([*nodes, server, *nodes, server])
        next_kill = 400
        while (seen := out.read_bytes().count(b"\n")) < COUNT and time.monotonic() < deadline:
            if seen >= next_kill:
                next_kill += 900
                victim = next(victims, None)
                if victim is server:
                    server.restart()
                elif victim is not None:
                    victim.kill9()
            time.sleep(chance.uniform(0.01, 0.05))
        time.sleep(0.5)  # anything that repeats would come now
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(node.kills == 2 for node in nodes)
    firsts = list(dict.fromkeys(number for number, _ in rows))
    assert firsts == list(range(COUNT))
    seen_before: Counter[int] = Counter()
    for number, redelivered in rows:
        assert not seen_before[number] or redelivered, f"{number} repeats unmarked"
        seen_before[number] += 1
