"""New small arrays from one thread to another, as fast as they are taken. Set up by environment."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from benchmarks.stamps import Control, Recorder, Setup, stamp
from edgeflow import EdgeApp
from edgeflow.nodes import ConsumerNode, ProducerNode

setup = Setup.from_environment()
app = EdgeApp("hand-over")


@app.node(name="source", fps=None)
class Source(ProducerNode):
    def configure(self):
        self.control = Control(setup.folder)
        self.number = 0

    def produce(self):
        if self.control.stopped:
            self.stop()
            return None
        image = np.empty(setup.shape, np.uint8)
        self.number += 1
        if self.number % setup.sample == 0:
            stamp(image, setup.size, self.number)
        return image


@app.node(name="watch")
class Watch(ConsumerNode):
    def configure(self):
        self.recorder = Recorder(setup, 0)

    def process(self, data):
        self.recorder.saw(data)

    def teardown(self):
        self.recorder.save()


app.link("source").to("watch", qos=setup.qos, queue_size=setup.capacity)

if __name__ == "__main__":
    app.run()
