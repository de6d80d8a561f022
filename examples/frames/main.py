"""Faces found, hidden and counted: a camera flow with two nodes of its own.

python main.py                  everything in one process
python main.py --processes      one process per node
python main.py --node camera    one node here, the rest elsewhere (needs a broker, see README)
"""

import os

from edgeflow import EdgeApp, QoS
from edgeflow.assets import pull
from edgeflow.config import settings
from edgeflow.nodes import ConsumerNode, GatewayNode, SinkNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.nodes.sources import VideoFileProducer
from edgeflow.nodes.vision import FaceBlur, FaceDetector

app = EdgeApp("frames")


@app.node(name="camera", type="producer", device="camera", width=528)
class Camera(VideoFileProducer):
    def configure(self):
        self.path = os.environ.get("CLIP") or pull("carphone")
        super().configure()


# Ready nodes are declared like one's own; keywords set their options.
app.node(name="detector", type="consumer", score=0.6)(FaceDetector)
app.node(name="privacy", type="consumer", method="pixelate")(FaceBlur)


@app.node(name="counter", type="consumer")
class FaceCounter(ConsumerNode):
    """Sends a message when the number of faces changes."""

    def configure(self):
        self.count = None

    def process(self, image):
        count = len(self.frame.meta["faces"])
        if count == self.count:
            return None
        self.count = count
        return {"faces": count}


@app.node(name="journal", type="sink")
class Journal(SinkNode):
    def write(self, frame):
        self.log.info("faces_counted", faces=frame.data["faces"], frame=frame.id)


@app.node(name="gateway", type="gateway", node_port=30080)
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(WebInterface(port=settings.GATEWAY_HTTP_PORT))


app.link("camera").to("detector").to("privacy").to("gateway")
app.link("camera").to("gateway", channel="raw")
app.link("detector").to("counter").to("journal", qos=QoS.DURABLE)

if __name__ == "__main__":
    app.run()
