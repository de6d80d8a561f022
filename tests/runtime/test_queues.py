"""Several links of one node on different planes, read as one."""

from edgeflow import EdgeApp, Frame
from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.core.qos import QoS
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
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
