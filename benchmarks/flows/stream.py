"""The measured flow, as a user writes one: a producer, links, consumers. Set up by environment."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.stamps import Control, Recorder, Setup, blank, stamp
from edgeflow import EdgeApp, RedisBroker
from edgeflow.nodes import ConsumerNode, ProducerNode

setup = Setup.from_environment()
app = EdgeApp(Path(setup.folder).name, broker=RedisBroker(url=setup.url) if setup.url else None)


@app.node(name="source", type="producer", fps=setup.fps)
class Source(ProducerNode):
    """Stamps frames; in place, or in an array of its own that the link copies."""

    def configure(self):
        self.control = Control(setup.folder)
        self.image = blank(setup.shape)
        self.number = 0

    def produce(self):
        if self.control.stopped:
            self.stop()
            return None
        image = self.allocate(setup.shape) if setup.in_place else self.image.view()
        stamp(image, setup.size, self.number)
        self.number += 1
        return image


class Watch(ConsumerNode):
    """Notes when frames arrive."""

    index = 0

    def configure(self):
        self.recorder = Recorder(setup, self.index)

    def process(self, data):
        self.recorder.saw(data)

    def teardown(self):
        self.recorder.save()


for index in range(setup.receivers):
    app.add(f"watch{index}", Watch, options={"index": index})
    app.link("source").to(f"watch{index}", qos=setup.qos, queue_size=setup.capacity)

if __name__ == "__main__":
    app.run()
