"""A small flow that answers on a control socket, as a running app does."""

import time

import numpy as np
import pytest

from edgeflow.core.frame import Frame
from edgeflow.core.histogram import Histogram
from edgeflow.core.status import (
    FlowStatus,
    LinkStatus,
    LogLine,
    NodeStatus,
    PathLatency,
    Segment,
    TraceRecord,
)
from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.runtime.control import ControlServer


class SmallFlow:
    """A flow of two nodes whose figures are known; a ``FlowView`` and a ``FrameSource``."""

    FRAMES = {
        "camera": [
            Frame(data=np.full((4, 6, 3), n, np.uint8), id=n, sequence=n, topic="camera",
                  source="camera", timestamp=100.0 + n, meta={"n": n})
            for n in range(3)
        ],
        "words": [Frame(data="hello", id=7, topic="words", source="words", timestamp=1.0)],
        "bytes": [Frame(data=b"\x00\x01", id=8, topic="bytes", source="bytes")],
        "facts": [Frame(data={"faces": 2}, id=9, topic="facts", source="facts")],
        "silent": [],
    }  # fmt: skip

    def status(self):
        return FlowStatus(
            app="small",
            mode="threads",
            started=1000.0,
            time=1185.0,
            nodes=[
                NodeStatus(name="camera", role="producer", state="running", alive=1,
                           frames_out=5550, rate_out=30.04, process_p50_ms=1.234),
                NodeStatus(name="detector", role="consumer", state="failed", replicas=2, alive=1,
                           frames_in=5000, errors=3, restarts=2, rate_in=29.9, place="main.py:8",
                           process_p99_ms=123.4, last_error="Traceback...\nValueError: no face"),
            ],
            links=[
                LinkStatus(source="camera", target="detector", topic="camera", qos="realtime",
                           via="memory", sent=5550, received=5000, dropped=550, bytes=5_000_000,
                           depth=1, capacity=1, rate=29.9, latency_p50_ms=0.05),
            ],
        )  # fmt: skip

    def graph(self):
        return {"name": "small", "nodes": [], "links": []}

    def logs(self, after=0, node=None, limit=500):
        return [LogLine(time=1.0, level="info", node="camera", event="camera_opened")]

    def paths(self):
        return [
            PathLatency(
                path=["camera", "detector"], frames=40, p50_ms=12.5, p99_ms=20.0,
                bottleneck="detector",
                segments=[
                    Segment(kind="node", name="camera", start_ms=0.0, p50_ms=2.0, p99_ms=3.0),
                    Segment(kind="link", name="camera -> detector", start_ms=2.0, p50_ms=0.5,
                            p99_ms=1.0),
                    Segment(kind="node", name="detector", start_ms=2.5, p50_ms=10.0, p99_ms=16.0),
                ],
            )
        ]  # fmt: skip

    def traces(self, limit=256):
        hops = [
            ("camera", "here", 1_000_000, 3_000_000),
            ("detector", "here", 3_500_000, 9_000_000),
        ]
        return [TraceRecord(source="camera", id=4, timestamp=100.0, hops=hops)]

    def histograms(self):
        return {"camera": Histogram()}, {}

    def clock_offsets_ns(self):
        return {"here": 0}

    def topics(self):
        return sorted(self.FRAMES)

    def tap(self, topics, *, latest=True):
        for topic in topics:
            if topic not in self.FRAMES:
                raise ConfigError(f"no topic {topic!r}", hint=did_you_mean(topic, self.topics()))
        return SmallTap([frame for topic in topics for frame in self.FRAMES[topic]])


class SmallTap:
    def __init__(self, frames):
        self.frames = list(frames)

    def receive(self, timeout):
        if self.frames:
            return self.frames.pop(0)
        time.sleep(min(timeout, 0.05))
        return None

    def close(self):
        self.frames.clear()


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A folder of control sockets of our own, so that no other flow is seen."""
    folder = tmp_path / "run"
    monkeypatch.setenv("EDGEFLOW_RUN_DIR", str(folder))
    return folder


@pytest.fixture
def small_flow(run_dir):
    """An app named ``small`` that seems to run here."""
    flow = SmallFlow()
    with ControlServer("small", flow, flow):
        yield flow
