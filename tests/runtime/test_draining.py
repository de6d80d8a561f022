"""The end of a flow: what is in the links is processed first."""

from edgeflow import EdgeApp, Frame
from edgeflow.nodes import ConsumerNode
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
