"""Hosts compare their clocks by what they post on the board."""

import msgspec

from edgeflow.comms.brokers import MemoryBroker
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.core.graph import Graph
from edgeflow.core.status import TraceRecord
from edgeflow.runtime.clocks import PREFIX, HostClocks
from edgeflow.runtime.monitor import FlowMonitor
from edgeflow.runtime.planes import Planes
from edgeflow.runtime.reports import NodeReport


class Measuring(MemoryBroker):
    def __init__(self, offsets: dict[str, ClockOffset]) -> None:
        super().__init__()
        self.offsets = offsets

    def clock_offsets(self) -> dict[str, ClockOffset]:
        return self.offsets


def planes(**offsets: ClockOffset) -> Planes:
    return Planes(Graph("app"), {"broker": Measuring(dict(offsets))}, "broker")


def test_two_hosts_that_know_one_server_can_compare_their_clocks():
    board = MemoryBroker().board()
    here, there = planes(**{"": ClockOffset(700, 3)}), planes(**{"": ClockOffset(200, 4)})
    ends = [HostClocks(here, board, "here"), HostClocks(there, board, "there")]
    for end in (*ends, ends[0]):
        end.exchange(0.0)
    ends[0].exchange(2.5)
    assert here.host_offsets == {"here": ClockOffset(0, 0), "there": ClockOffset(500, 7)}
    assert there.host_offsets["here"] == ClockOffset(-500, 7)


def test_a_host_is_known_by_way_of_another():
    board = MemoryBroker().board()
    ends = {
        "a": planes(b=ClockOffset(10, 1)),
        "b": planes(c=ClockOffset(5, 1), a=ClockOffset(-9, 4)),
        "c": planes(),
    }
    clocks = [HostClocks(each, board, name) for name, each in ends.items()]
    for end in clocks:
        end.exchange(0.0)
    clocks[0].exchange(3.0)
    assert ends["a"].host_offsets["c"] == ClockOffset(15, 2)
    assert ends["c"].host_offsets["a"] == ClockOffset(-15, 2)


def test_what_is_no_measurement_is_passed_over():
    board = MemoryBroker().board()
    board.post(PREFIX + "liar", b"\xff{")
    board.post(PREFIX + "other", msgspec.json.encode({"x": "far"}))
    here = planes(b=ClockOffset(10, 1))
    HostClocks(here, board, "here").exchange(0.0)
    assert here.host_offsets == {"here": ClockOffset(0, 0)}


def test_without_a_board_there_is_nothing_to_compare():
    here = planes(b=ClockOffset(10, 1))
    HostClocks(here, None, "here").exchange(0.0)
    assert here.host_offsets == {}


def test_the_way_between_hosts_is_told_by_one_clock():
    """A clock that is five seconds ahead, on the host that a frame reaches after 2 ms."""
    ahead = 5_000_000_000
    hops = [("camera", "here", 0, 1_000_000), ("sink", "far", ahead + 3_000_000, ahead + 4_000_000)]
    record = TraceRecord(source="camera", id=1, timestamp=0.0, hops=hops)
    reports = [
        NodeReport(node="camera", host="here", pid=1, time=1.0, state="running"),
        NodeReport(
            node="sink", host="far", pid=2, time=1.0, state="running", traces=[record],
            clocks={"here": ClockOffset(-ahead, 100_000)},
        ),
    ]  # fmt: skip
    monitor = FlowMonitor(Graph("app"), "node", lambda: reports, host="here")
    (clock,) = monitor.status().clocks
    assert (clock.host, clock.offset_ms, clock.error_ms) == ("far", 5000.0, 0.1)
    assert monitor.clock_offsets_ns() == {"far": -ahead}
    (path,) = monitor.paths()
    assert [segment.p50_ms for segment in path.segments] == [1.0, 2.0, 1.0]
    assert path.p50_ms == 4.0
