"""Flows that tests of deployments declare, each in a folder of its own."""

from pathlib import Path

from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Stack

__all__ = ["ALL_SORTS", "EXAMPLE", "PIPELINES", "example", "pipelines", "planned", "written"]

EXAMPLE = Path(__file__).parents[1] / "data" / "readme_example.py.txt"

PIPELINES = """\
version: 1
name: Machine_hall
connectors:
  - id: machines
    type: http
    host: ${EDGEFLOW_BIND:-127.0.0.1}
    port: 8088
    token: ${EDGEFLOW_TOKEN:-none-at-all}
    pipeline: heat
pipelines:
  - {id: heat, agents: [hot]}
agents:
  hot: {type: threshold, metric: celsius, threshold: 80, dispatcher: book}
actions:
  book: {type: file, path: alerts.jsonl}
"""
ALL_SORTS = """
app = EdgeApp("all sorts", broker=DualRedisBroker())
app.add("source", Source, device="camera", options={"deploy": {
    "devices": {"squat.ai/video": 1}, "groups": [44], "environment": {"PRICE": "$(cat x) $HOME",
        "A": "1e3", "B": "0o17", "C": "12:30:00", "D": "on", "E": "1_0", "F": ".5e1", "G": "~"},
    "secrets": ["CAMERA_PASSWORD"]}})
app.add("work", Work, device="gpu", replicas=2, options={"deploy": {"max_replicas": 6}})
app.add("second", Source)
app.add("both", FusionNode)
app.add("keep", JsonLinesSink, options={"path": "log.jsonl"}, replicas=2)
app.add("view", GatewayNode, options={"node_port": 30081})
app.link("source").to("work", qos="durable").to("keep", qos="balanced")
app.link("source").to("both")
app.link("second").to("both").to("view")
"""
"""A flow that asks for everything there is to ask for."""
HEAD = """\
from edgeflow import EdgeApp
from edgeflow.comms.brokers import DualRedisBroker, MemoryBroker, RedisBroker
from edgeflow.core.qos import QoS
from edgeflow.nodes import ConsumerNode, FusionNode, GatewayNode, ProducerNode, SinkNode
from edgeflow.nodes.sinks.jsonlines import JsonLinesSink

class Source(ProducerNode):
    def produce(self): return {"n": 1}

class Work(ConsumerNode):
    def process(self, data): return data

class Drain(SinkNode):
    def write(self, frame): pass

"""


def example(folder: Path, *, broker: str = "RedisBroker") -> Path:
    """Write the requirement's example, with another broker if asked, and return its path."""
    text = EXAMPLE.read_text()
    changed = f"from edgeflow.comms.brokers import {broker} as RedisBroker"
    text = text.replace("from edgeflow.comms import RedisBroker", changed)
    assert changed in text
    return _write(folder, text)


def written(folder: Path, body: str) -> Path:
    """Write a flow whose classes are ``Source``, ``Work``, ``Drain`` and those of EdgeFlow."""
    return _write(folder, HEAD + body)


def pipelines(folder: Path, more: str = "") -> Path:
    """Write a ``pipelines.yaml`` with ``more`` at its end, and return its path."""
    file = folder / "pipelines.yaml"
    file.write_text(PIPELINES + more)
    return file


def planned(folder: Path, body: str) -> Stack:
    """Return the stack of such a flow."""
    return plan_file(written(folder, body))


def _write(folder: Path, text: str) -> Path:
    file = folder / "main.py"
    file.write_text(text)
    return file
