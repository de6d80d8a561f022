"""A flow with a gateway node: ``gateway.py --node gateway``. Set up by the environment.

``Setup.receivers`` cameras are linked to it; ``Setup.url`` is the address of the dashboard and,
after a blank, that of the app's broker.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.scale.ends import KIND
from benchmarks.stamps import Control, Setup
from edgeflow import EdgeApp, RedisBroker
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.base import Interface
from edgeflow.nodes.gateway.interfaces.web import WebInterface

setup = Setup.from_environment()
page, broker = setup.url.split()
app = EdgeApp("scale", broker=RedisBroker(url=broker))


class Counting(Interface):
    """Counts the frames of each camera."""

    takes_jpeg = os.environ[KIND] != "decoded"

    def __init__(self):
        self.control = Control(setup.folder)
        self.counts = [0] * setup.receivers

    def open(self, context):
        pass

    def on_frame(self, frame):
        index = int(frame.topic.removeprefix("camera"))
        self.counts[index] += 1
        self.control.count(index, self.counts[index])

    def close(self):
        pass


@app.node(name="gateway")
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(Counting())
        self.add_interface(WebInterface(port=int(page.rpartition(":")[2])))


for number in range(setup.receivers):
    app.add(f"camera{number}", ProducerNode)
    app.link(f"camera{number}").to("gateway")

if __name__ == "__main__":
    app.run()
