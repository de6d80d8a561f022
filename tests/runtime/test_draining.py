"""The end of a flow: what is in the links is processed first."""

from edgeflow import EdgeApp, Frame
from edgeflow.comms.brokers import MemoryBroker, Subscription
from edgeflow.core.qos import QoS
from edgeflow.nodes import ConsumerNode
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
from flows import Collector, Counter, wait_until


def test_a_crash_after_the_source_has_ended_loses_nothing():
    got: list[Frame] = []
    crashes = []
    runners = {}

    class Flaky(ConsumerNode):
        def process(self, data):
            if data["n"] == 3 and not crashes:
                crashes.append(data)
                wait_until(lambda: runners["flaky"].draining)
                raise RuntimeError("boom")
            return data

    app = EdgeApp("test")
    app.add("source", Counter, options={"count": 20})
    app.add("flaky", Flaky)
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("flaky", qos="durable").to("sink", qos="durable")
    with app.running() as flow:
        runners.update({runner.spec.name: runner for runner in flow.runners})
        flow.wait()
        states = {node.name: node.state for node in flow.status().nodes}
    assert [frame.data["n"] for frame in got] == list(range(20))
    assert states == {"source": "finished", "flaky": "finished", "sink": "finished"}


def test_a_node_that_is_stopped_between_two_attempts_counts_as_stopped():
    class Broken(ConsumerNode):
        def process(self, data):
            raise RuntimeError("boom")

    app = EdgeApp("test")
    app.add("source", Counter, options={"fps": 200})
    app.add("broken", Broken)
    app.link("source").to("broken")
    with app.running() as flow:
        wait_until(lambda: flow.status().nodes[1].restarts >= 3)
        flow.runners[1].halt()
        assert flow.runners[1].join(10)
    assert flow.status().nodes[1].state == "stopped"


class Abrupt(MemoryBroker):
    """Its subscribers end a ``receive`` after ``wake`` before they look at what waits."""

    def subscriber(self, subscriptions):
        subscriber = super().subscriber(subscriptions)
        receive, wake, woken = subscriber.receive, subscriber.wake, []

        def abrupt_wake():
            woken.append(True)
            wake()

        subscriber.wake = abrupt_wake
        subscriber.receive = lambda timeout: receive(timeout) if not woken else woken.clear()
        return subscriber


def test_being_woken_is_not_taken_for_the_end_of_the_input():
    got: list[Frame] = []
    app = EdgeApp("test")
    app.add("source", Counter)
    app.add("sink", Collector, options={"into": got, "pause": 0.01})
    app.link("source").to("sink", qos="durable")
    broker = Abrupt()
    publisher = broker.publisher("source", [Subscription("source", "sink", QoS.DURABLE, 64)])
    for number in range(30):
        publisher.publish(Frame(data={"n": number}))
    planes = Planes(app.graph(), {"memory": broker}, "memory")
    runtime = LocalRuntime(app.graph(), planes, mode="node", only="sink")
    runtime.start()
    wait_until(lambda: len(got) >= 3)
    runtime.finish_inputs()
    runtime.wait()
    assert runtime.stop()
    assert [frame.data["n"] for frame in got] == list(range(30))
