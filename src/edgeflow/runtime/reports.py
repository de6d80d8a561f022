"""What one instance of a node reports about itself."""

from collections import deque
from collections.abc import Iterable

import msgspec

from edgeflow.comms.brokers.base import LinkCounters
from edgeflow.core.clock_offset import ClockOffset
from edgeflow.core.frame import Frame, Hop
from edgeflow.core.histogram import Histogram
from edgeflow.core.status import LogLine, TraceRecord

__all__ = [
    "LinkReport",
    "NodeReport",
    "NodeStats",
    "decode_report",
    "encode_report",
    "link_reports",
    "total",
]

LOG_LINES = 100
TRACES = 128


class LinkReport(msgspec.Struct, kw_only=True):
    """One end of a link: ``peer`` is the consumer at a publisher, empty at a subscriber."""

    topic: str
    peer: str = ""
    via: str = ""
    sent: int = 0
    received: int = 0
    dropped: int = 0
    redelivered: int = 0
    bytes: int = 0
    depth: int = 0
    latency: list[int] = []
    latency_ns: int = 0


class NodeReport(msgspec.Struct, kw_only=True):
    """Totals since this instance started. ``started`` and ``pid`` tell incarnations apart.

    Attributes:
        clocks: clocks minus that of ``host``, as measured there.
    """

    node: str
    replica: int = 0
    host: str = ""
    pid: int = 0
    state: str = "starting"
    started: float = 0.0
    time: float = 0.0
    frames_in: int = 0
    frames_out: int = 0
    errors: int = 0
    restarts: int = 0
    late: int = 0
    unmatched: int = 0
    last_error: str | None = None
    last_error_time: float | None = None
    process: list[int] = []
    process_ns: int = 0
    links: list[LinkReport] = []
    logs: list[LogLine] = []
    traces: list[TraceRecord] = []
    clocks: dict[str, ClockOffset] = {}


class NodeStats:
    """The counters of one running instance, written by its thread only."""

    __slots__ = (
        "errors", "frames_in", "frames_out", "last_error", "last_error_time", "late", "process",
        "restarts", "traces", "unmatched",
    )  # fmt: skip

    def __init__(self) -> None:
        self.frames_in = 0
        self.frames_out = 0
        self.errors = 0
        self.restarts = 0
        self.late = 0
        self.unmatched = 0
        self.last_error: str | None = None
        self.last_error_time: float | None = None
        self.process = Histogram()
        self.traces: deque[tuple[tuple[Hop, ...], str, int, float]] = deque(maxlen=TRACES)

    def finish(self, frame: Frame, last: Hop) -> None:
        """Remember the trace of a frame that ends here (not the frame: its array may be leased)."""
        self.traces.append(((*frame.trace, last), frame.source, frame.id, frame.timestamp))

    def trace_records(self) -> list[TraceRecord]:
        """Return the traces that ended here lately."""
        return [
            TraceRecord(
                source=source,
                id=frame_id,
                timestamp=timestamp,
                hops=[(hop.node, hop.host, hop.entered_ns, hop.left_ns) for hop in hops],
            )
            for hops, source, frame_id, timestamp in list(self.traces)
        ]


def link_reports(
    ends: Iterable[tuple[str, str, str, LinkCounters]],
) -> list[LinkReport]:
    """Return reports of ``(topic, peer, via, counters)``."""
    return [
        LinkReport(
            topic=topic,
            peer=peer,
            via=via,
            sent=counters.sent,
            received=counters.received,
            dropped=counters.dropped,
            redelivered=counters.redelivered,
            bytes=counters.bytes,
            depth=counters.depth,
            latency=list(counters.latency.counts) if counters.latency.total_ns else [],
            latency_ns=counters.latency.total_ns,
        )
        for topic, peer, via, counters in ends
    ]


def total(reports: Iterable[NodeReport]) -> NodeReport:
    """Return the sum of what several incarnations of a node have counted, with the last error."""
    result = NodeReport(node="", state="")
    process, links = Histogram(), dict[tuple[str, str, str], LinkReport]()
    for report in reports:
        result.node = report.node
        for name in ("frames_in", "frames_out", "errors", "restarts", "late", "unmatched"):
            setattr(result, name, getattr(result, name) + getattr(report, name))
        if (report.last_error_time or 0.0) > (result.last_error_time or 0.0):
            result.last_error, result.last_error_time = report.last_error, report.last_error_time
        process.merge(Histogram(report.process, report.process_ns))
        for link in report.links:
            key = (link.topic, link.peer, link.via)
            links[key] = _both(links[key], link) if key in links else link
    result.process, result.process_ns = list(process.counts), process.total_ns
    result.links = list(links.values())
    return result


def _both(one: LinkReport, other: LinkReport) -> LinkReport:
    latency = Histogram(one.latency, one.latency_ns)
    latency.merge(Histogram(other.latency, other.latency_ns))
    return LinkReport(
        topic=one.topic,
        peer=one.peer,
        via=one.via,
        sent=one.sent + other.sent,
        received=one.received + other.received,
        dropped=one.dropped + other.dropped,
        redelivered=one.redelivered + other.redelivered,
        bytes=one.bytes + other.bytes,
        latency=list(latency.counts),
        latency_ns=latency.total_ns,
    )


def encode_report(report: NodeReport) -> bytes:
    """Return the JSON form of a report."""
    return msgspec.json.encode(report)


def decode_report(raw: bytes) -> NodeReport | None:
    """Return the report in ``raw``, or None when it is none (another version wrote it)."""
    try:
        return msgspec.json.decode(raw, type=NodeReport)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
