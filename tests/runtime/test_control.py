import itertools

import pytest

from edgeflow import EdgeApp
from edgeflow.errors import ConfigError, UnreachableError
from edgeflow.runtime.attach import attach, running
from edgeflow.runtime.control import ControlServer
from flows import Collector, Counter, wait_until


@pytest.fixture
def flow():
    app = EdgeApp("watched")
    app.add("source", Counter, options={"fps": 100})
    app.add("sink", Collector, options={"into": []})
    app.link("source").to("sink")
    with app.running() as runtime, ControlServer("watched", runtime.view, runtime.frames):
        yield runtime


def test_attach_sees_what_runs(flow):
    assert [app.name for app in running()] == ["watched"]
    with attach("watched") as remote:
        wait_until(lambda: remote.status().nodes[1].frames_in > 5)
        assert remote.graph()["name"] == "watched"
        assert remote.topics() == ["source"]
        assert remote.paths()[0].path == ["source", "sink"]
        assert remote.traces(3)[-1].hops[0][0] == "source"
        nodes, links = remote.histograms()
        assert nodes["sink"].count > 0
        assert links["source", "sink"].count > 0
        assert remote.clock_offsets_ns() == {}


def test_tap_streams_frames_until_the_app_ends(flow):
    with attach() as remote:
        tap = remote.tap(["source"], latest=False)
        frames = [tap.receive(2.0) for _ in range(5)]
        assert [b.id - a.id for a, b in itertools.pairwise(frames)] == [1] * 4
        flow.stop()
        with pytest.raises(ConfigError, match="no topic 'nothing'"):
            remote.tap(["nothing"])


def test_nothing_to_attach_to():
    assert running() == []
    with pytest.raises(UnreachableError):
        attach("absent")


def test_unknown_calls_are_answered(flow):
    with attach() as remote, pytest.raises(ConfigError, match="unknown call"):
        remote._ask("rm")
    with attach() as remote, pytest.raises(ConfigError, match="bad arguments"):
        remote._ask("status", nonsense=1)
