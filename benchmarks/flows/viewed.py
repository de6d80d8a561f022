"""A moving picture on the dashboard's stream. Set up by environment; serves ``/video/source``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.pictures import Scene
from benchmarks.stamps import Setup
from edgeflow import EdgeApp
from edgeflow.nodes import GatewayNode, ProducerNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface

setup = Setup.from_environment()
app = EdgeApp("viewed")


@app.node(name="source", fps=setup.fps)
class Source(ProducerNode):
    def configure(self):
        self.scene = Scene(setup.shape)

    def produce(self):
        return self.scene.next()


@app.node(name="gateway")
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(WebInterface(port=int(setup.url.rpartition(":")[2])))


app.link("source").to("gateway")

if __name__ == "__main__":
    app.run([])
