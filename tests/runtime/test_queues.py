"""Several links of one node on different planes, read as one."""

import pytest

from edgeflow import EdgeApp, Frame
from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.core.qos import QoS
from edgeflow.errors import CommsError
from edgeflow.nodes import FusionNode
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
from edgeflow.runtime.queues import MergedSubscriber
from flows import Collector, Counter, wait_until


def wish(topic: str, capacity: int = 64) -> Subscription:
    return Subscription(topic, "sink", QoS.DURABLE, capacity)


def test_all_that_waits_on_every_plane_is_processed_at_the_end():
    got: list[Frame] = []
    app = EdgeApp("test")
    for source in ("left", "right"):
        app.add(source, Counter)
    app.add("sink", Collector, options={"into": got, "pause": 0.02})
    app.link("left").to("sink", qos="durable", via="one")
    app.link("right").to("sink", qos="durable", via="two")
    brokers = {"one": MemoryBroker(), "two": MemoryBroker()}
    runtime = LocalRuntime(app.graph(), Planes(app.graph(), brokers, "one"), mode="", only="sink")
    for topic, broker in zip(("left", "right"), brokers.values(), strict=True):
        publisher = broker.publisher(topic, [wish(topic)])
        for number in range(20):
            publisher.publish(Frame(data={"n": number}, topic=topic))
    runtime.start()
    wait_until(lambda: len(got) >= 3)
    runtime.finish_inputs()
    runtime.wait()
    assert runtime.stop()
    for topic in ("left", "right"):
        assert [f.data["n"] for f in got if f.topic == topic] == list(range(20))


class Broken(MemoryBroker):
    """Its subscribers raise once, as a server does that refuses."""

    def subscriber(self, subscriptions):
        subscriber = super().subscriber(subscriptions)
        receive, errors = subscriber.receive, [CommsError("refused")]

        def failing(timeout):
            if errors:
                raise errors.pop()
            return receive(timeout)

        subscriber.receive = failing
        return subscriber


def test_an_error_of_one_plane_reaches_the_node_which_then_goes_on():
    broker = Broken()
    merged = MergedSubscriber(
        [MemoryBroker().subscriber([wish("left")]), broker.subscriber([wish("right")])]
    )
    with pytest.raises(CommsError, match="refused"):
        merged.receive(5.0)
    broker.publisher("right").publish(Frame(data="late"))
    delivery = merged.receive(5.0)
    assert delivery.frame.data == "late"
    merged.close()


def test_a_fusion_gets_its_inputs_in_the_order_of_the_links():
    got = []

    class Join(FusionNode):
        slop = 1e9

        def process(self, frames):
            got.append([frame.topic for frame in frames])

    app = EdgeApp("test")
    for source in ("a", "b", "c"):
        app.add(source, Counter, options={"fps": 20})
    app.add("join", Join)
    app.link("a").to("join", via="one")
    app.link("b").to("join", via="two")
    app.link("c").to("join", via="one")
    brokers = {"one": MemoryBroker(), "two": MemoryBroker()}
    runtime = LocalRuntime(app.graph(), Planes(app.graph(), brokers, "one"), mode="")
    runtime.start()
    wait_until(lambda: bool(got))
    assert runtime.stop()
    assert got[0] == ["a", "b", "c"]
