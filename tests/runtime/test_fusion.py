"""A fusion node holds frames that wait for partners; none of them may get lost with it."""

from edgeflow import EdgeApp, Frame
from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.core.qos import QoS
from edgeflow.nodes import FusionNode, ProducerNode
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
from flows import wait_until


class Stamped(ProducerNode):
    """Sends ``count`` frames, captured a second apart."""

    fps = None
    count = 6

    def configure(self):
        self.number = 0

    def produce(self):
        if self.number == self.count:
            self.stop()
            return None
        self.number += 1
        return Frame(data={"n": self.number}, timestamp=1000.0 + self.number)


def test_frames_that_wait_for_partners_outlive_a_crash():
    got = []
    crashes = []

    class Pair(FusionNode):
        slop = 0.1
        patience = 30.0

        def process(self, frames):
            values = [frame.data["n"] for frame in frames]
            if values[0] in (1, 4) and crashes.count(values) < 2:
                crashes.append(values)
                raise RuntimeError("boom")
            got.append(values)

    app = EdgeApp("test")
    app.add("left", Stamped)
    app.add("right", Stamped)
    app.add("pair", Pair)
    app.link("left").to("pair", qos="durable", queue_size=6)
    app.link("right").to("pair", qos="durable", queue_size=6)
    with app.running():
        wait_until(lambda: len(got) == 6)
    assert got == [[n, n] for n in range(1, 7)]
    assert len(crashes) == 4


class Kept(MemoryBroker):
    """Survives the runtime, as a server does."""

    def close(self):
        pass


def test_frames_that_wait_for_partners_return_when_the_node_is_told_to_stop():
    class Pair(FusionNode):
        patience = 30.0

        def process(self, frames):
            raise AssertionError("there is no pair")

    app = EdgeApp("test")
    app.add("left", Stamped)
    app.add("right", Stamped)
    app.add("pair", Pair)
    app.link("left").to("pair", qos="durable")
    app.link("right").to("pair", qos="durable")
    broker = Kept()
    wish = Subscription("left", "pair", QoS.DURABLE, 64)
    publisher = broker.publisher("left", [wish])
    for number in range(3):
        publisher.publish(Frame(data=number, timestamp=1000.0 + number, topic="left"))
    graph = app.graph()
    planes = Planes(graph, {"broker": broker}, "broker")
    runtime = LocalRuntime(graph, planes, mode="node", only="pair", drain=False)
    runtime.start()
    wait_until(lambda: runtime.runners[0].stats.frames_in == 3)
    assert runtime.stop()
    successor = broker.subscriber([wish])
    assert [successor.receive(0.1).frame.data for _ in range(3)] == [0, 1, 2]
