import itertools
import threading
import time

import numpy as np
import pytest

from edgeflow import EdgeApp, Frame, QoS
from edgeflow.errors import GraphError
from edgeflow.nodes import ConsumerNode, FusionNode, ProducerNode, SinkNode
from flows import Collector, Counter, Doubler, app_with, wait_until


def numbers(frames: list[Frame]) -> list[int]:
    return [frame.data["n"] for frame in frames]


def test_durable_flow_delivers_everything_in_order_and_ends_by_itself():
    got: list[Frame] = []
    assert app_with(2000, got, qos=QoS.DURABLE).run([]) == 0
    assert numbers(got) == list(range(2000))
    assert [frame.id for frame in got] == list(range(2000))


def test_realtime_skips_but_never_repeats_and_counts_what_it_dropped():
    got: list[Frame] = []
    app = EdgeApp("test")
    app.add("source", Counter, options={"fps": 500})
    app.add("sink", Collector, options={"into": got, "pause": 0.02})
    app.link("source").to("sink")
    with app.running() as flow:
        wait_until(lambda: len(got) >= 20)
        newest = flow.runners[0].emitter.next_id
        assert newest - got[-1].id < 100
    seen = numbers(got)
    assert seen == sorted(set(seen))
    (link,) = flow.status().links
    assert link.dropped > 0
    assert link.sent == link.received + link.dropped + link.depth


def test_processing_keeps_identity_and_meta():
    got: list[Frame] = []

    class Source(ProducerNode):
        fps = None

        def produce(self):
            self.stop()
            return np.zeros((2, 2)), {"camera": "left"}

    class Detect(ConsumerNode):
        def process(self, data):
            assert self.frame.source == "source"
            assert not data.flags.writeable
            return data + 1, {"score": 0.5}

    app = EdgeApp("test")
    app.add("source", Source)
    app.add("detect", Detect)
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("detect", qos="durable").to("sink", qos="durable")
    app.run([])
    (frame,) = got
    assert frame.meta == {"camera": "left", "score": 0.5}
    assert (frame.source, frame.topic, frame.id) == ("source", "detect", 0)
    assert [hop.node for hop in frame.trace] == ["source", "detect"]
    assert frame.data.sum() == 4


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, []),
        ("text", ["text"]),
        (["a", None, "b"], ["a", "b"]),
        (Frame(data="made", meta={"k": 1}), ["made"]),
        (("data", {"k": 1}), ["data"]),
    ],
)
def test_what_process_may_return(result, expected):
    got: list[Frame] = []

    class Step(ConsumerNode):
        def process(self, data):
            return result

    app = app_with(1, got, qos="durable")
    app = EdgeApp("test")
    app.add("source", Counter, options={"count": 1})
    app.add("step", Step)
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("step", qos="durable").to("sink", qos="durable")
    app.run([])
    assert [frame.data for frame in got] == expected


def test_a_generator_sends_as_it_goes():
    got: list[Frame] = []

    class Split(ConsumerNode):
        def process(self, data):
            for part in range(3):
                yield {"n": data["n"] * 10 + part}

    app = EdgeApp("test")
    app.add("source", Counter, options={"count": 2})
    app.add("split", Split)
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("split", qos="durable").to("sink", qos="durable")
    app.run([])
    assert numbers(got) == [0, 1, 2, 10, 11, 12]


def test_a_crashing_consumer_is_restarted_and_gets_the_frame_again():
    got: list[Frame] = []
    crashes = []

    class Flaky(ConsumerNode):
        def process(self, data):
            if data["n"] == 3 and len(crashes) < 2:
                crashes.append(self.frame.redelivered)
                raise RuntimeError("boom")
            return data

    app = EdgeApp("test")
    app.add("source", Counter, options={"count": 6})
    app.add("flaky", Flaky)
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("flaky", qos="durable").to("sink", qos="durable")
    with app.running() as flow:
        wait_until(lambda: len(got) == 6)
        node = next(n for n in flow.status().nodes if n.name == "flaky")
    assert numbers(got) == list(range(6))
    assert crashes == [False, True]
    assert [frame.redelivered for frame in got] == [False] * 3 + [True] + [False] * 2
    assert (node.errors, node.restarts) == (2, 2)
    assert node.last_error == "RuntimeError: boom"


def test_on_error_skip_goes_on_and_stop_fails_the_run():
    got: list[Frame] = []

    class Picky(ConsumerNode):
        def process(self, data):
            if data["n"] % 2:
                raise ValueError("odd")
            return data

    def app(on_error):
        flow = EdgeApp("test")
        flow.add("source", Counter, options={"count": 6})
        flow.add("picky", Picky, on_error=on_error)
        flow.add("sink", Collector, options={"into": got})
        flow.link("source").to("picky", qos="durable").to("sink", qos="durable")
        return flow

    assert app("skip").run([]) == 0
    assert numbers(got) == [0, 2, 4]
    got.clear()
    assert app("stop").run([]) == 1
    assert numbers(got) == [0]


def test_replicas_share_and_other_nodes_see_everything():
    got: list[Frame] = []
    everything: list[Frame] = []
    workers: set[int] = set()

    class Worker(ConsumerNode):
        def process(self, data):
            workers.add(self.replica)
            time.sleep(0.001)
            return data

    app = EdgeApp("test")
    app.add("source", Counter, options={"count": 200})
    app.add("worker", Worker, replicas=3)
    app.add("sink", Collector, options={"into": got})
    app.add("audit", Collector, options={"into": everything})
    app.link("source").to("worker", qos="durable").to("sink", qos="durable")
    app.link("source").to("audit", qos="durable")
    app.run([])
    assert sorted(numbers(got)) == list(range(200))
    assert numbers(everything) == list(range(200))
    assert workers == {0, 1, 2}


def test_topics_chosen_in_configure_work_beside_links():
    got: list[Frame] = []

    class Named(Counter):
        def configure(self):
            super().configure()
            self.output_topic = "readings"

    class Listener(ConsumerNode):
        def configure(self):
            self.input_topics = ["readings"]
            self.output_topic = "doubled"
            self.qos = QoS.DURABLE

        def process(self, data):
            return {"n": data["n"] * 2}

    class Ear(SinkNode):
        def configure(self):
            self.input_topics = ["doubled"]
            self.qos = QoS.DURABLE

        def write(self, frame):
            got.append(frame)

    app = EdgeApp("test")
    app.add("named", Named, options={"count": 20, "fps": 200})
    app.add("listener", Listener)
    app.add("ear", Ear)
    app.check()
    with app.running():
        wait_until(lambda: len(got) == 20)
    assert numbers(got) == [2 * n for n in range(20)]
    assert {frame.topic for frame in got} == {"doubled"}


def test_fusion_pairs_by_capture_time_and_counts_the_rest():
    got = []

    class Stamped(ProducerNode):
        fps = None
        step = 0.1
        count = 10

        def configure(self):
            self.number = 0

        def produce(self):
            if self.number >= self.count:
                self.stop()
                return None
            self.number += 1
            return Frame(data={"n": self.number}, timestamp=1000 + self.number * self.step)

    class Pair(FusionNode):
        slop = 0.01

        def process(self, frames):
            got.append([frame.data["n"] for frame in frames])

    app = EdgeApp("test")
    app.add("fast", Stamped, options={"step": 0.1, "count": 20})
    app.add("slow", Stamped, options={"step": 0.2, "count": 10})
    app.add("pair", Pair)
    app.link("fast").to("pair", qos="durable")
    app.link("slow").to("pair", qos="durable")
    with app.running() as flow:
        wait_until(lambda: len(got) == 10)
        wait_until(lambda: flow.status().nodes[2].unmatched == 10)
    assert got == [[2 * n, n] for n in range(1, 11)]


def test_a_graph_with_mistakes_does_not_start():
    app = EdgeApp("test")
    app.add("source", Counter)
    app.link("source").to("snik")
    with pytest.raises(GraphError, match="snik"):
        app.run([])


def test_a_payload_that_cannot_travel_is_a_clear_error():
    class Bad(ProducerNode):
        fps = None

        def produce(self):
            return object()

    app = EdgeApp("test")
    app.add("bad", Bad, on_error="stop")
    app.add("sink", Collector, options={"into": []})
    app.link("bad").to("sink")
    with app.running() as flow:
        wait_until(flow.runners[0].ended.is_set)
        assert "type object cannot travel" in flow.status().nodes[0].last_error


def test_stop_is_quick_and_leaves_no_thread():
    before = {thread.name for thread in threading.enumerate()}
    got: list[Frame] = []
    app = app_with(None, got)
    with app.running():
        wait_until(lambda: len(got) > 10)
        started = time.monotonic()
    assert time.monotonic() - started < 6.0  # under 3 s on an idle machine
    wait_until(lambda: {t.name for t in threading.enumerate()} <= before, 3.0)


def test_nodes_side_by_side_end_together():
    app = EdgeApp("test")
    app.add("source", Counter, options={"fps": 100})
    for number in range(30):
        app.add(f"sink{number}", Collector, options={"into": []})
        app.link("source").to(f"sink{number}")
    with app.running() as flow:
        wait_until(lambda: all(runner.stats.frames_in for runner in flow.runners[1:]))
        started = time.monotonic()
    assert time.monotonic() - started < 3.0  # 3.3 s one after the other
    assert {runner.state for runner in flow.runners} == {"stopped"}


def test_pacing_does_not_drift():
    got: list[Frame] = []
    app = EdgeApp("test")
    app.add("source", Counter, options={"fps": 100})
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("sink", qos="balanced", queue_size=100)

    def is_paced() -> bool:
        """A hundred frames took a second; a machine that stands still is given another hundred."""
        taken = [
            later.timestamp - frame.timestamp for frame, later in zip(got, got[100:], strict=False)
        ]
        return any(each == pytest.approx(1.0, abs=0.05) for each in taken)

    with app.running():
        wait_until(is_paced)


def test_chain_of_links():
    got: list[Frame] = []
    app = EdgeApp("test")
    app.add("source", Counter, options={"count": 5})
    app.add("a", Doubler)
    app.add("b", Doubler)
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("a", qos="durable").to("b", qos="durable").to("sink", qos="durable")
    app.run([])
    assert numbers(got) == [0, 4, 8, 12, 16]


def test_taps_see_frames_without_taking_them():
    got: list[Frame] = []
    app = EdgeApp("test")
    app.add("source", Counter, options={"fps": 200})
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("sink", qos="durable")
    with app.running() as flow:
        tap = flow.frames.tap(["source"], latest=False)
        seen = [tap.receive(2.0) for _ in range(5)]
        tap.close()
        wait_until(lambda: len(got) > 20)
    assert [b.id - a.id for a, b in itertools.pairwise(seen)] == [1] * 4
    assert numbers(got) == list(range(len(got)))


def test_on_error_skip_lets_a_producer_go_on_from_its_first_call():
    got: list[Frame] = []

    class Warming(ProducerNode):
        fps = None
        calls = 0

        def produce(self):
            self.calls += 1
            if self.calls == 3:
                self.stop()
            elif self.calls == 1:
                raise OSError("not ready")
            return {"n": self.calls}

    app = EdgeApp("test")
    app.add("source", Warming, on_error="skip")
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("sink", qos="durable")
    with app.running() as flow:
        wait_until(lambda: len(got) == 2)
        node = flow.status().nodes[0]
    assert numbers(got) == [2, 3]
    assert (node.errors, node.restarts) == (1, 0)
