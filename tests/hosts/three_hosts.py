"""A flow for three hosts: ``--node NAME`` of it runs on each. ``BROKER`` says what is between them.

The camera writes the id of every frame it makes to a file, the ledger that of every frame it gets.
"""

import os
import time
from pathlib import Path

import numpy as np

from edgeflow import EdgeApp, QoS
from edgeflow.comms.brokers import DualRedisBroker, RedisBroker, ZenohBroker
from edgeflow.config import settings
from edgeflow.nodes import ConsumerNode, GatewayNode, ProducerNode, SinkNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface

BROKERS = {"redis": RedisBroker, "dual": DualRedisBroker, "zenoh": ZenohBroker}
FOLDER = Path(os.environ["LEDGERS"])

WORK_SECONDS = 0.045
"""More than a picture of 30 per second leaves to one worker."""

app = EdgeApp("hosts", broker=BROKERS[os.environ["BROKER"]]())


class Book:
    """Lines that are on disk when ``write`` returns."""

    def __init__(self, name):
        self._file = (FOLDER / name).open("a", buffering=1)

    def write(self, *values):
        self._file.write(" ".join(map(str, values)) + "\n")


@app.node(name="camera", type="producer", device="camera", fps=30)
class Camera(ProducerNode):
    def configure(self):
        self.book = Book("made")

    def produce(self):
        if (FOLDER / "enough").exists():
            return None
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, self.next_id % 64] = 255
        self.book.write(self.next_id, time.time())
        return picture


@app.node(name="worker", type="consumer", device="gpu")
class Worker(ConsumerNode):
    def process(self, frame):
        time.sleep(WORK_SECONDS)
        return 255 - frame, {"by": os.getpid()}


@app.node(name="ledger", type="sink")
class Ledger(SinkNode):
    def configure(self):
        self.book = Book("got")

    def write(self, frame):
        self.book.write(frame.id, time.time(), int(frame.redelivered), frame.meta["by"])


@app.node(name="gateway", type="gateway")
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(WebInterface(port=settings.GATEWAY_HTTP_PORT))


app.link("camera").to("worker", qos=QoS.DURABLE)
app.link("worker").to("ledger", qos=QoS.DURABLE)
app.link("camera").to("gateway")
app.link("worker").to("gateway")

if __name__ == "__main__":
    app.run()
