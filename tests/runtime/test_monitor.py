"""The status of a flow whose nodes were restarted many times."""

import os
import threading
import time

from edgeflow.core.graph import Graph, LinkSpec, NodeSpec, Role
from edgeflow.core.histogram import Histogram
from edgeflow.core.status import TraceRecord
from edgeflow.nodes import ProducerNode, SinkNode
from edgeflow.runtime.board import FolderBoard
from edgeflow.runtime.monitor import FlowMonitor
from edgeflow.runtime.reports import LinkReport, NodeReport, total
from edgeflow.runtime.runner import CrashBudget

GRAPH = Graph(
    "test",
    (NodeSpec("source", Role.PRODUCER, ProducerNode), NodeSpec("sink", Role.SINK, SinkNode)),
    (LinkSpec("source", "sink"),),
)


def report(pid: int, *, age: float = 0.0, **counts) -> NodeReport:
    process = Histogram()
    process.add(1_000_000)
    return NodeReport(
        node="sink",
        pid=pid,
        state="running",
        started=1000.0 + pid,
        time=time.time() - age,
        frames_in=10,
        process=list(process.counts),
        process_ns=process.total_ns,
        links=[LinkReport(topic="source", received=10)],
        **counts,
    )


def test_the_counts_of_a_thousand_restarts_are_kept_in_one_place():
    shown = [report(pid, age=20.0) for pid in range(1, 1001)] + [report(1001)]
    shown[400].last_error, shown[400].last_error_time = "boom", 5.0
    monitor = FlowMonitor(GRAPH, "processes", lambda: shown, max_age=0.0)
    monitor.refresh()
    shown = shown[-1:]
    status = monitor.status()
    sink = status.nodes[1]
    assert (sink.frames_in, sink.alive, sink.last_error) == (10_010, 1, "boom")
    assert status.links[0].received == 10_010
    assert sum(monitor.histograms()[0]["sink"].counts) == 1001
    assert len(monitor._reports) == 1


def test_a_dead_node_that_has_no_successor_stays_visible():
    monitor = FlowMonitor(GRAPH, "processes", lambda: [report(7, age=20.0)])
    (sink,) = [node for node in monitor.status().nodes if node.name == "sink"]
    assert (sink.state, sink.alive, sink.frames_in) == ("lost", 0, 10)


def test_a_frame_that_ends_in_one_node_by_two_ways_counts_on_both():
    short = [("source", "host", 0, 1), ("sink", "host", 2, 3)]
    long = [short[0], ("filter", "host", 2, 7), ("sink", "host", 8, 9)]
    traces = [
        TraceRecord(source="source", id=number, timestamp=0.0, hops=hops)
        for number in range(5)
        for hops in (short, long)
    ]
    monitor = FlowMonitor(GRAPH, "threads", lambda: [report(7, traces=traces)])
    assert [(path.path, path.frames) for path in monitor.paths()] == [
        (["source", "filter", "sink"], 5),
        (["source", "sink"], 5),
    ]


def test_total_of_nothing():
    assert total([]).frames_in == 0


def test_the_board_forgets_who_left(tmp_path):
    board = FolderBoard(tmp_path / "board")
    for member in ("gone", "late", "here"):
        board.post(member, member.encode())
    paths = {bytes.fromhex(path.name).decode(): path for path in (tmp_path / "board").iterdir()}
    now = time.time()
    os.utime(paths["late"], (now - 10, now - 10))
    os.utime(paths["gone"], (now - 100, now - 100))
    assert board.read() == {"here": b"here"}
    assert paths["late"].exists()
    assert not paths["gone"].exists()


def test_the_crash_budget_backs_off_and_gives_up_and_forgives():
    budget = CrashBudget(limit=3, window=60.0)
    assert [budget.crash(now) for now in (0.0, 1.0, 2.0)] == [0.1, 0.2, 0.4]
    assert budget.crash(3.0) is None
    assert budget.crash(120.0) == 0.1


def test_reports_are_read_by_one_thread_at_a_time():
    inside, entered, leave = [], threading.Event(), threading.Event()

    def collect():
        inside.append(1)
        entered.set()
        leave.wait(5)
        inside.append(-1)
        return [report(1)]

    monitor = FlowMonitor(GRAPH, "processes", collect, max_age=0.0)
    threads = [
        threading.Thread(target=monitor.refresh, kwargs={"force": True}),
        threading.Thread(target=monitor.status),
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(5)
    threads[1].join(0.2)
    leave.set()
    for thread in threads:
        thread.join(5)
    assert inside == [1, -1, 1, -1]


def test_what_a_dead_process_had_waiting_does_not_count_as_waiting():
    dead, successor = report(1, age=20.0), report(2)
    dead.links[0].depth = 64
    monitor = FlowMonitor(GRAPH, "processes", lambda: [dead, successor])
    assert monitor.status().links[0].depth == 0
