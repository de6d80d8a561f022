"""One producer, any number of consumers; ``benchmarks.harness`` sets case and folder.

Run by hand: ``python -m benchmarks.same_host --quick``.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from benchmarks.case import END, Meter, case_from_environment, stamp
from edgeflow import EdgeApp, QoS, RedisBroker
from edgeflow.nodes import ProducerNode, SinkNode

CASE, FOLDER = case_from_environment()
app = EdgeApp(FOLDER.name, broker=RedisBroker() if CASE.option("redis") else None)


@app.node(name="camera", type="producer", fps=CASE.fps)
class Camera(ProducerNode):
    def configure(self):
        self.image = np.zeros(CASE.shape, np.uint8)
        self.sequence = 0
        self.end = None

    def produce(self):
        if self.end is None:
            self.end = time.monotonic() + CASE.seconds
        image = self.allocate(CASE.shape) if CASE.in_place else self.image
        done = time.monotonic() > self.end
        stamp(image.reshape(-1), END if done else self.sequence)
        self.sequence += 1
        if done:
            self.stop()
        return image if CASE.in_place else self.image[:]


class Viewer(SinkNode):
    def configure(self):
        self.meter = Meter(CASE, FOLDER, int(self.name.removeprefix("viewer")))

    def write(self, frame):
        if not self.meter.take(frame.data.reshape(-1)):
            self.meter.save()
            self.stop()


qos = QoS(CASE.option("qos", "durable"))
for number in range(CASE.consumers):
    app.add(f"viewer{number}", Viewer)
    app.link("camera").to(f"viewer{number}", qos=qos, queue_size=8)

if __name__ == "__main__":
    app.run()
