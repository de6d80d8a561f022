import pytest

from edgeflow.core.status import TraceRecord
from edgeflow.observe.tracing import chrome_trace, path_latencies

MS = 1_000_000


def trace(number: int, detector_ms: int, *, host: str = "a", shift: int = 0) -> TraceRecord:
    hops = [
        ("cam", "a", 0, 2 * MS),
        ("det", host, 5 * MS + shift, (5 + detector_ms) * MS + shift),
        ("web", "a", (6 + detector_ms) * MS, (7 + detector_ms) * MS),
    ]
    return TraceRecord(source="cam", id=number, timestamp=1.0, hops=hops)


def test_a_path_is_split_into_nodes_and_links():
    (path,) = path_latencies([trace(i, 20) for i in range(10)], {})
    assert path.path == ["cam", "det", "web"]
    assert path.frames == 10
    assert path.p50_ms == pytest.approx(27.0)
    assert path.bottleneck == "det"
    assert [(s.kind, s.name, s.p50_ms) for s in path.segments] == [
        ("node", "cam", 2.0),
        ("link", "cam -> det", 3.0),
        ("node", "det", 20.0),
        ("link", "det -> web", 1.0),
        ("node", "web", 1.0),
    ]
    assert [s.start_ms for s in path.segments] == [0.0, 2.0, 5.0, 25.0, 26.0]


def test_p99_sees_the_slow_frame_and_p50_does_not():
    (path,) = path_latencies([trace(i, 10 if i else 500) for i in range(100)], {})
    detector = path.segments[2]
    assert detector.p50_ms == 10.0
    assert detector.p99_ms == 500.0


def test_offsets_bring_hosts_together():
    far = [trace(1, 20, host="b", shift=1_000 * MS)]
    (apart,) = path_latencies(far, {})
    (together,) = path_latencies(far, {"b": -1_000 * MS})
    assert apart.segments[1].p50_ms == 1003.0
    assert together.segments[1].p50_ms == 3.0
    assert together.segments[3].p50_ms == 1.0


def test_longest_path_first_and_nothing_from_nothing():
    short = TraceRecord(source="cam", id=1, timestamp=0.0, hops=[("cam", "a", 0, MS)])
    paths = path_latencies([short, trace(1, 5)], {})
    assert [len(path.path) for path in paths] == [3, 1]
    assert path_latencies([], {}) == []


def test_chrome_trace_has_a_thread_per_node_and_joined_flows():
    document = chrome_trace([trace(1, 20, host="b"), trace(2, 20, host="b")], {})
    events = document["traceEvents"]
    names = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert names == {"a", "b", "cam", "det", "web"}
    stays = [e for e in events if e["ph"] == "X"]
    assert len(stays) == 6
    assert stays[1]["dur"] == 20_000.0
    assert stays[1]["ts"] == 5_000.0
    assert [e["ph"] for e in events if e.get("cat") == "flow"] == ["s", "t", "f"] * 2
    assert len({(e["pid"], e["tid"]) for e in stays}) == 3
