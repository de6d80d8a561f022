"""The flow of the soak: a DURABLE chain over the server, a REALTIME one through shared memory."""

import os
from pathlib import Path

import numpy as np

from edgeflow import EdgeApp, QoS, RedisBroker
from edgeflow.nodes import ConsumerNode, GatewayNode, ProducerNode, SinkNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface

FOLDER = Path(os.environ["SOAK_FOLDER"])
SHAPE = (120, 160, 3)

app = EdgeApp("soak", broker=RedisBroker())


def check(image: np.ndarray, number: int) -> None:
    """Raise unless every byte of the picture belongs to frame ``number``."""
    if image.shape != SHAPE or (image != number % 251).any():
        raise AssertionError(f"frame {number} is torn or mixed up")


@app.node(name="source", fps=100)
class Source(ProducerNode):
    """Sends numbered pictures until the file ``stop`` appears; goes on where it was killed."""

    def produce(self):
        if (FOLDER / "stop").exists():
            (FOLDER / "end").write_text(str(self.next_id))
            self.stop()
            return None
        return np.full(SHAPE, self.next_id % 251, np.uint8), {"n": self.next_id}


@app.node(name="worker")
class Worker(ConsumerNode):
    def process(self, image):
        check(image, self.frame.meta["n"])
        return {"n": self.frame.meta["n"]}


@app.node(name="counter")
class Counter(SinkNode):
    """Appends a line per frame: its number, and 1 when it came again after a crash."""

    def configure(self):
        self.file = (FOLDER / "counted").open("a", buffering=1)

    def write(self, frame):
        self.file.write(f"{frame.data['n']} {int(frame.redelivered)}\n")

    def teardown(self):
        self.file.close()


@app.node(name="preview")
class Preview(ConsumerNode):
    def process(self, image):
        check(image, self.frame.meta["n"])
        return 255 - image


@app.node(name="gateway")
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(WebInterface(port=int(os.environ["SOAK_PORT"])))


durable = {"qos": QoS.DURABLE, "via": "broker"}
app.link("source").to("worker", **durable).to("counter", **durable)
app.link("source").to("preview").to("gateway")

if __name__ == "__main__":
    app.run()
