"""The flow the dashboard's tests look at: pictures, values, a stream that stops, an error."""

import os

import numpy as np

from edgeflow import EdgeApp, QoS
from edgeflow.config import settings
from edgeflow.nodes import ConsumerNode, GatewayNode, ProducerNode, SinkNode
from edgeflow.nodes.gateway.interfaces.web import WebInterface

app = EdgeApp("front-door")


@app.node(name="camera", type="producer", fps=20, device="camera")
class Camera(ProducerNode):
    def produce(self):
        image = np.full((240, 320, 3), (200, 120, 60), np.uint8)
        left = self.next_id * 4 % 280
        image[100:140, left : left + 40] = 255
        return image


@app.node(name="blur", type="consumer", replicas=2, strength=3)
class Blur(ConsumerNode):
    def process(self, image):
        if self.frame.id == 5:
            self.log.warning("picture_odd", reason="lens cap")
        return image[::-1].copy(), {"boxes": [[1, 2, 3, 4]]}


@app.node(name="garage", type="producer", fps=10)
class Garage(ProducerNode):
    """Stops sending after five pictures."""

    def produce(self):
        return np.full((120, 160), 90, np.uint8) if self.next_id < 5 else None


@app.node(name="weather", type="producer", fps=5)
class Weather(ProducerNode):
    def produce(self):
        return {"temperature_c": 21.5, "room": "hall"}


@app.node(name="recorder", type="sink", on_error="skip")
class Recorder(SinkNode):
    def write(self, frame):
        if frame.id % 50 == 3:
            raise RuntimeError("disk is full")


@app.node(name="gateway", type="gateway")
class Gateway(GatewayNode):
    def configure(self):
        self.add_interface(WebInterface(port=settings.GATEWAY_HTTP_PORT))


app.link("camera").to("blur").to("gateway")
app.link("camera").to("gateway", channel="raw door")
app.link("camera").to("recorder", qos=QoS.DURABLE)
app.link("garage").to("gateway")
app.link("weather").to("gateway", qos=QoS.BALANCED)

if __name__ == "__main__":
    app.run(os.environ.get("DOOR_ARGUMENTS", "").split() or None)
