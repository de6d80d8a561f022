"""Adds up the reports of all instances into the status of the flow: the ``FlowView`` of a run."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edgeflow.core.clock_offset import ClockOffset, chained
from edgeflow.core.graph import Graph, LinkSpec, NodeSpec
from edgeflow.core.histogram import Histogram
from edgeflow.core.render import to_json
from edgeflow.core.status import (
    ClockStatus,
    FlowStatus,
    LinkStatus,
    LogLine,
    NodeStatus,
    PathLatency,
    TraceRecord,
)
from edgeflow.observe.tracing import path_latencies
from edgeflow.runtime.planes import stream_name
from edgeflow.runtime.reports import LinkReport, NodeReport, total

__all__ = ["FlowMonitor"]

LOST_SECONDS = 3.0
RATE_SECONDS = 3.0
RETIRE_SECONDS = 15.0  # longer than any board keeps a report: it cannot come again
LOG_CAPACITY = 2000
TRACE_CAPACITY = 512
_STATE_ORDER = ("failed", "restarting", "lost", "starting", "running", "stopped", "finished")

_Key = tuple[str, int, int, float]


class FlowMonitor:
    """Reads reports when asked, at most every ``max_age`` seconds, and keeps short histories.

    Args:
        graph: the declared flow.
        mode: how it runs (``threads``, ``processes``, ``node``).
        collect: returns the latest report of each instance.
        host: whose clock times are told by.
    """

    def __init__(
        self,
        graph: Graph,
        mode: str,
        collect: Callable[[], Iterable[NodeReport]],
        *,
        host: str = "",
        max_age: float = 0.2,
    ) -> None:
        self._graph = graph
        self._mode = mode
        self._collect = collect
        self._host = host
        self._max_age = max_age
        self._started = time.time()
        self._lock = threading.RLock()
        self._read_at = float("-inf")
        self._reports: dict[_Key, NodeReport] = {}
        self._past: dict[str, NodeReport] = {}
        self._history: deque[tuple[float, dict[Any, int]]] = deque()
        self._logs: deque[LogLine] = deque(maxlen=LOG_CAPACITY)
        self._log_seen: dict[tuple[str, int], int] = {}
        self._log_number = 0
        self._traces: dict[tuple[str, int, tuple[str, ...]], TraceRecord] = {}
        self.state = "running"

    # --- FlowView --------------------------------------------------------------------------

    def status(self) -> FlowStatus:
        """Return nodes and links as they are."""
        with self._lock:
            self.refresh()
            rates = self._rates()
            return FlowStatus(
                app=self._graph.name,
                mode=self._mode,
                started=self._started,
                time=time.time(),
                state=self.state,
                nodes=[self._node_status(node, rates) for node in self._graph.nodes],
                links=[self._link_status(link, rates) for link in self._graph.links],
                clocks=[
                    ClockStatus(
                        host=host, offset_ms=off.offset_ns / 1e6, error_ms=off.error_ns / 1e6
                    )
                    for host, off in self._clock_offsets().items()
                ],
            )

    def graph(self) -> dict[str, Any]:
        """Return the declared graph."""
        return to_json(self._graph)

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        """Return log lines with a number above ``after``, oldest first."""
        with self._lock:
            self.refresh()
            found = [
                line
                for line in self._logs
                if line.number > after and (node is None or line.node == node)
            ]
        return found[-limit:]

    def paths(self) -> list[PathLatency]:
        """Return the latency of each path, longest median first."""
        return path_latencies(self.traces(TRACE_CAPACITY), self.clock_offsets_ns())

    def traces(self, limit: int = 256) -> list[TraceRecord]:
        """Return the latest finished traces, oldest first."""
        with self._lock:
            self.refresh()
            return list(self._traces.values())[-limit:]

    def histograms(self) -> tuple[dict[str, Histogram], dict[tuple[str, str], Histogram]]:
        """Return the processing time per node and the transit time per link."""
        with self._lock:
            self.refresh()
            nodes = {node.name: self._process_time(node.name) for node in self._graph.nodes}
            links = {(li.source, li.target): self._transit_time(li) for li in self._graph.links}
        return nodes, links

    def clock_offsets_ns(self) -> dict[str, int]:
        """Return, per other host, what to add to its monotonic stamps to compare them with ours."""
        with self._lock:
            self.refresh()
            return {host: -offset.offset_ns for host, offset in self._clock_offsets().items()}

    def _clock_offsets(self) -> dict[str, ClockOffset]:
        """Return the monotonic clocks of other hosts minus ours, as far as measurements lead."""
        reports = sorted(self._reports.values(), key=lambda report: report.time)
        measured = {report.host: dict[str, ClockOffset]() for report in reports}
        for report in reports:
            measured[report.host] |= report.clocks
        found = chained(measured, self._host)
        return {h: each for h, each in sorted(found.items()) if h in measured and h != self._host}

    # --- reading ---------------------------------------------------------------------------

    def refresh(self, *, force: bool = False) -> None:
        """Read the reports again, unless they were read a moment ago."""
        with self._lock:
            if force or time.monotonic() - self._read_at >= self._max_age:
                self._read()

    def _read(self) -> None:
        now = self._read_at = time.monotonic()
        for report in self._collect():
            self._reports[report.node, report.replica, report.pid, report.started] = report
            self._take_logs(report)
            for record in report.traces:
                path = tuple(hop[0] for hop in record.hops)
                self._traces[record.source, record.id, path] = record
        self._retire()
        while len(self._traces) > TRACE_CAPACITY:
            del self._traces[next(iter(self._traces))]
        counts = self._counts()
        if not self._history or now - self._history[-1][0] >= 0.4:
            self._history.append((now, counts))
        while len(self._history) > 2 and now - self._history[0][0] > RATE_SECONDS:
            self._history.popleft()

    def _retire(self) -> None:
        """Add up the incarnations that are over, so that restarts do not pile up here."""
        oldest = time.time() - RETIRE_SECONDS
        newest: dict[tuple[str, int], float] = {}
        for node, replica, pid, started in self._reports:
            if pid:
                newest[node, replica] = max(started, newest.get((node, replica), 0.0))
        for key, report in list(self._reports.items()):
            node, replica, pid, started = key
            if pid and report.time < oldest and started < newest[node, replica]:
                del self._reports[key]
                self._log_seen.pop((node, pid), None)
                past = self._past.get(node)
                self._past[node] = total([past, report] if past else [report])

    def _take_logs(self, report: NodeReport) -> None:
        key = (report.node, report.pid)
        seen = self._log_seen.get(key, 0)
        for line in report.logs:
            if line.number > seen:
                self._log_number += 1
                self._log_seen[key] = line.number
                self._logs.append(
                    LogLine(
                        time=line.time,
                        level=line.level,
                        node=line.node,
                        event=line.event,
                        fields=line.fields,
                        number=self._log_number,
                    )
                )

    def _counts(self) -> dict[Any, int]:
        counts: dict[Any, int] = {}
        for node in self._graph.nodes:
            reports = self._of(node.name)
            counts[node.name, "in"] = sum(report.frames_in for report in reports)
            counts[node.name, "out"] = sum(report.frames_out for report in reports)
        for link in self._graph.links:
            counts[link.source, link.target] = sum(
                e.received for e in self._arrivals(link, self._of(link.target))
            )
        return counts

    def _rates(self) -> dict[Any, float]:
        if len(self._history) < 2:
            return {}
        (then, before), (now, after) = self._history[0], self._history[-1]
        if time.monotonic() - now > RATE_SECONDS or now <= then:
            return {}
        return {key: max(0, after[key] - before.get(key, 0)) / (now - then) for key in after}

    def _of(self, node: str) -> list[NodeReport]:
        reports = [report for key, report in self._reports.items() if key[0] == node]
        return [*reports, self._past[node]] if node in self._past else reports

    def _latest(self, node: str) -> list[NodeReport]:
        """Return the newest incarnation of each replica."""
        newest: dict[int, NodeReport] = {}
        for report in self._of(node):
            if not report.state:
                continue  # a supervisor that leaves the state to the process itself
            known = newest.get(report.replica)
            if known is None or report.time >= known.time:
                newest[report.replica] = report
        return list(newest.values())

    # --- adding up -------------------------------------------------------------------------

    def _node_status(self, node: NodeSpec, rates: Mapping[Any, float]) -> NodeStatus:
        reports, latest = self._of(node.name), self._latest(node.name)
        oldest = time.time() - LOST_SECONDS
        states = [
            "lost" if report.state in ("running", "starting") and report.time < oldest
            else report.state
            for report in latest
        ]  # fmt: skip
        states += ["starting"] * (node.replicas - len(latest))
        process = self._process_time(node.name)
        failed = max(
            (r for r in reports if r.last_error), key=lambda r: r.last_error_time or 0, default=None
        )
        return NodeStatus(
            name=node.name,
            role=node.role.value,
            state=min(states, key=_STATE_ORDER.index),
            replicas=node.replicas,
            alive=states.count("running"),
            device=node.device,
            host=", ".join(sorted({report.host for report in latest if report.host})),
            pids=sorted({report.pid for report in latest if report.pid}),
            frames_in=sum(report.frames_in for report in reports),
            frames_out=sum(report.frames_out for report in reports),
            errors=sum(report.errors for report in reports),
            restarts=sum(report.restarts for report in reports),
            late=sum(report.late for report in reports),
            unmatched=sum(report.unmatched for report in reports),
            rate_in=rates.get((node.name, "in"), 0.0),
            rate_out=rates.get((node.name, "out"), 0.0),
            process_p50_ms=process.quantile_ms(0.5),
            process_p99_ms=process.quantile_ms(0.99),
            last_error=failed.last_error if failed else None,
            last_error_time=failed.last_error_time if failed else None,
            place=node.place,
        )

    def _link_status(self, link: LinkSpec, rates: Mapping[Any, float]) -> LinkStatus:
        departures = self._departures(link, self._of(link.source))
        arrivals = self._arrivals(link, self._of(link.target))
        alive = self._departures(link, self._latest(link.source))
        alive += self._arrivals(link, self._latest(link.target))
        latency = self._transit_time(link)
        via = next((end.via for end in departures if end.via), "")
        return LinkStatus(
            source=link.source,
            target=link.target,
            topic=link.channel or link.topic,
            qos=link.qos.value,
            via=via,
            codec=link.codec,
            sent=sum(end.sent for end in departures),
            received=sum(end.received for end in arrivals),
            dropped=sum(end.dropped for end in (*departures, *arrivals)),
            redelivered=sum(end.redelivered for end in arrivals),
            bytes=sum(end.bytes for end in departures),
            depth=max((end.depth for end in alive), default=0),
            capacity=self._graph.capacity(link),
            rate=rates.get((link.source, link.target), 0.0),
            latency_p50_ms=latency.quantile_ms(0.5),
            latency_p99_ms=latency.quantile_ms(0.99),
        )

    def _departures(self, link: LinkSpec, reports: Iterable[NodeReport]) -> list[LinkReport]:
        topic = stream_name(link.topic, link.codec)
        ends = [end for report in reports for end in report.links]
        return [end for end in ends if end.topic == topic and end.peer == link.target]

    def _arrivals(self, link: LinkSpec, reports: Iterable[NodeReport]) -> list[LinkReport]:
        topic = stream_name(link.topic, link.codec)
        ends = [end for report in reports for end in report.links]
        return [end for end in ends if end.topic == topic and not end.peer]

    def _process_time(self, node: str) -> Histogram:
        total = Histogram()
        for report in self._of(node):
            total.merge(Histogram(report.process, report.process_ns))
        return total

    def _transit_time(self, link: LinkSpec) -> Histogram:
        total = Histogram()
        for end in self._arrivals(link, self._of(link.target)):
            if end.latency:
                total.merge(Histogram(end.latency, end.latency_ns))
        return total
