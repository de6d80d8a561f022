"""Flows that tests of deployments declare, each in a folder of its own."""

from pathlib import Path

from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Stack

__all__ = ["EXAMPLE", "example", "planned", "written"]

EXAMPLE = Path(__file__).parents[1] / "data" / "readme_example.py.txt"

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


def example(folder: Path, *, dual: bool = False) -> Path:
    """Write the requirement's example, with the dual broker if asked, and return its path."""
    text = EXAMPLE.read_text()
    if dual:
        text = text.replace("import RedisBroker", "import DualRedisBroker as RedisBroker")
        assert "DualRedisBroker" in text
    return _write(folder, text)


def written(folder: Path, body: str) -> Path:
    """Write a flow whose classes are ``Source``, ``Work``, ``Drain`` and those of EdgeFlow."""
    return _write(folder, HEAD + body)


def planned(folder: Path, body: str) -> Stack:
    """Return the stack of such a flow."""
    return plan_file(written(folder, body))


def _write(folder: Path, text: str) -> Path:
    file = folder / "main.py"
    file.write_text(text)
    return file
