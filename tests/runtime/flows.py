"""Small nodes that tests of the runtime build flows from."""

import threading
import time
from collections.abc import Callable

from edgeflow import EdgeApp
from edgeflow.core.frame import Frame
from edgeflow.nodes import ConsumerNode, ProducerNode, SinkNode


class Counter(ProducerNode):
    """Sends 0, 1, 2... up to ``count``."""

    fps = None
    count: int | None = None

    def configure(self):
        self.number = 0

    def produce(self):
        if self.count is not None and self.number >= self.count:
            self.stop()
            return None
        self.number += 1
        return {"n": self.number - 1}


class Collector(SinkNode):
    """Keeps frames in a list that the test owns."""

    into: list[Frame]
    pause: float = 0.0

    def write(self, frame):
        if self.pause:
            time.sleep(self.pause)
        self.into.append(frame)


class Doubler(ConsumerNode):
    def process(self, data):
        return {"n": data["n"] * 2}


def app_with(count: int | None, into: list[Frame], **link) -> EdgeApp:
    app = EdgeApp("test")
    app.add("source", Counter, options={"count": count})
    app.add("sink", Collector, options={"into": into})
    app.link("source").to("sink", **link)
    return app


def wait_until(
    condition: Callable[[], bool], seconds: float = 60.0, told: Callable[[], str] = str
) -> None:
    """Wait for something to come true; ``told`` says what had happened if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come true in time\n{told()}"
        threading.Event().wait(0.01)
