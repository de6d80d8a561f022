"""Nodes that send different frames along different links."""

import pytest

from edgeflow import EdgeApp
from edgeflow.errors import GraphError
from edgeflow.nodes import ConsumerNode, Output, ProducerNode, SinkNode


class Counter(ProducerNode):
    fps = None
    count = 30

    def configure(self):
        self.number = 0

    def produce(self):
        if self.number == self.count:
            self.stop()
            return None
        number, self.number = self.number, self.number + 1
        return Output("even" if number % 2 == 0 else "odd", {"number": number})


class Splitter(ConsumerNode):
    def process(self, data):
        yield Output("small" if data["number"] < 15 else "large", (data, {"seen": True}))
        yield {"number": -1}


class Collector(SinkNode):
    def configure(self):
        self.into.clear()

    def write(self, frame):
        self.into.append((frame.topic, frame.data["number"]))


def test_each_link_gets_the_frames_of_its_output():
    app = EdgeApp("outputs")
    seen = {name: [] for name in ("evens", "odds", "all")}
    app.add("counter", Counter)
    for name, into in seen.items():
        app.add(name, Collector, options={"into": into})
    app.link("counter", output="even").to("evens", qos="durable")
    app.link("counter", output="odd").to("odds", qos="durable")
    app.link("counter").to("all", qos="durable")
    assert app.run([]) == 0
    assert seen["evens"] == [("counter/even", n) for n in range(0, 30, 2)]
    assert seen["odds"] == [("counter/odd", n) for n in range(1, 30, 2)]
    assert seen["all"] == [("counter", n) for n in range(30)]


def test_frames_without_output_go_to_links_without_one_only():
    app = EdgeApp("outputs")
    small, rest = [], []
    app.add("counter", Counter)
    app.add("splitter", Splitter)
    app.add("small", Collector, options={"into": small})
    app.add("rest", Collector, options={"into": rest})
    app.link("counter").to("splitter", qos="durable")
    app.link("splitter", output="small").to("small", qos="durable")
    app.link("splitter", output="large").to("rest", qos="durable")
    assert app.run([]) == 0
    assert [number for _, number in small] == list(range(15))
    assert [number for _, number in rest] == list(range(15, 30))


def test_an_output_without_a_link_is_an_error_that_names_the_others():
    app = EdgeApp("outputs")
    app.add("counter", Counter, on_error="stop")
    app.add("evens", Collector, options={"into": []})
    app.link("counter", output="evn").to("evens")
    assert app.run([]) == 1


def test_status_and_taps_know_outputs():
    app = EdgeApp("outputs")
    app.add("counter", Counter, options={"count": 10**9, "fps": 200})
    app.add("evens", Collector, options={"into": []})
    app.link("counter", output="even").to("evens")
    with app.running() as runtime:
        assert runtime.frames.topics() == ["counter", "counter/even"]
        tap = runtime.frames.tap(["counter/even"])
        try:
            frame = tap.receive(5.0)
        finally:
            tap.close()
        assert frame is not None and frame.data["number"] % 2 == 0
        assert runtime.status().links[0].topic == "counter/even"


def test_two_outputs_may_lead_to_one_node_but_not_the_same_twice():
    app = EdgeApp("outputs")
    app.add("counter", Counter)
    seen = []
    app.add("all", Collector, options={"into": seen})
    app.link("counter", output="even").to("all", qos="durable")
    app.link("counter", output="odd").to("all", qos="durable")
    assert app.run([]) == 0
    assert sorted(number for _, number in seen) == list(range(30))
    app.link("counter", output="odd").to("all")
    with pytest.raises(GraphError, match="declared twice"):
        app.check()
