"""Nodes that are stopped before they have started, and inputs they cannot have."""

import sys
import threading

import pytest

from edgeflow import EdgeApp
from edgeflow.comms.brokers import MemoryBroker, ShmBroker
from edgeflow.nodes import ConsumerNode, SinkNode
from edgeflow.runtime.local import LocalRuntime
from edgeflow.runtime.planes import Planes
from flows import Collector, Counter, app_with, wait_until


class Away(MemoryBroker):
    """A server that does not answer."""

    def __init__(self):
        super().__init__()
        self.asked = threading.Event()

    def claim_member(self, group, expected, timeout):
        self.asked.set()
        threading.Event().wait(0.05)


def test_a_node_that_got_no_number_does_not_start_as_another_when_it_is_stopped():
    configured = []

    class Slow(ConsumerNode):
        def configure(self):
            configured.append(self.replica)

        def process(self, data):
            return None

    app = EdgeApp("test")
    app.add("source", Counter)
    app.add("slow", Slow, replicas=2)
    app.link("source").to("slow")
    broker = Away()
    planes = Planes(app.graph(), {"broker": broker}, "broker")
    runtime = LocalRuntime(app.graph(), planes, mode="node", only="slow", replica=None)
    runtime.start()
    assert broker.asked.wait(5)
    assert runtime.stop()
    assert configured == []
    assert runtime.runners[0].state == "stopped"


def test_where_the_package_of_a_codec_is_missing_both_ends_fail_at_their_start(
    run_dir, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    app = EdgeApp("test", broker=ShmBroker())
    app.add("source", Counter)
    app.add("sink", Collector, options={"into": []})
    app.link("source").to("sink", codec="lz4", via="broker")
    with app.running() as flow:
        wait_until(lambda: set(flow.failed) == {"source", "sink"})
        assert all("edgeflow[lz4]" in node.last_error for node in flow.status().nodes)


def test_one_topic_where_a_list_is_due_is_a_clear_error():
    class Ear(SinkNode):
        def configure(self):
            self.input_topics = "source"

        def write(self, frame):
            pass

    app = app_with(None, [])
    app.add("ear", Ear)
    with app.running() as flow:
        wait_until(lambda: flow.failed == ["ear"])
        error = flow.status().nodes[-1].last_error
    assert "input_topics" in error
    assert "['source']" in error
