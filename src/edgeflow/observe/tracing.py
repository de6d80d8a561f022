"""Latency of frames along their way: statistics per path, and export for trace viewers. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgeflow.core.status import PathLatency, Segment, TraceRecord

__all__ = ["chrome_trace", "path_latencies"]

_Stamp = tuple[str, str, int, int]


def path_latencies(
    traces: Sequence[TraceRecord], offsets_ns: Mapping[str, int]
) -> list[PathLatency]:
    """Return the latency of each path that ``traces`` took, longest median first.

    Args:
        traces: finished traces.
        offsets_ns: per host, what to add to its monotonic stamps; hosts that are missing need
            nothing.
    """
    groups: dict[tuple[str, ...], list[list[_Stamp]]] = {}
    for trace in traces:
        if trace.hops:
            hops = _aligned(trace, offsets_ns)
            groups.setdefault(tuple(hop[0] for hop in hops), []).append(hops)
    paths = [_path_latency(path, members) for path, members in groups.items()]
    return sorted(paths, key=lambda path: -path.p50_ms)


def _aligned(trace: TraceRecord, offsets_ns: Mapping[str, int]) -> list[_Stamp]:
    return [
        (node, host, entered + offsets_ns.get(host, 0), left + offsets_ns.get(host, 0))
        for node, host, entered, left in trace.hops
    ]


def _path_latency(path: tuple[str, ...], members: Sequence[Sequence[_Stamp]]) -> PathLatency:
    segments: list[Segment] = []
    start = 0.0
    for index, node in enumerate(path):
        if index:
            waits = [hops[index][2] - hops[index - 1][3] for hops in members]
            segments.append(_segment("link", f"{path[index - 1]} -> {node}", start, waits))
            start += segments[-1].p50_ms
        stays = [hops[index][3] - hops[index][2] for hops in members]
        segments.append(_segment("node", node, start, stays))
        start += segments[-1].p50_ms
    totals = [hops[-1][3] - hops[0][2] for hops in members]
    return PathLatency(
        path=list(path),
        frames=len(members),
        p50_ms=_quantile_ms(totals, 0.5),
        p99_ms=_quantile_ms(totals, 0.99),
        bottleneck=max(segments, key=lambda segment: segment.p50_ms).name,
        segments=segments,
    )


def _segment(kind: str, name: str, start_ms: float, durations_ns: Sequence[int]) -> Segment:
    return Segment(
        kind=kind,
        name=name,
        start_ms=round(start_ms, 6),
        p50_ms=_quantile_ms(durations_ns, 0.5),
        p99_ms=_quantile_ms(durations_ns, 0.99),
    )


def _quantile_ms(durations_ns: Sequence[int], q: float) -> float:
    """Return the nearest-rank quantile in milliseconds, 0 for clocks that disagree."""
    ordered = sorted(durations_ns)
    rank = min(len(ordered) - 1, int(q * len(ordered)))
    return max(0.0, ordered[rank] / 1e6)


def chrome_trace(traces: Sequence[TraceRecord], offsets_ns: Mapping[str, int]) -> dict[str, Any]:
    """Return ``traces`` in the Chrome trace event format, for Perfetto and chrome://tracing.

    Hosts are processes, nodes are threads, stays are complete events; flow events join the stays
    of one frame. Times are microseconds from the first stamp.
    """
    aligned = [(trace, _aligned(trace, offsets_ns)) for trace in traces if trace.hops]
    origin = min((hops[0][2] for _, hops in aligned), default=0)
    processes: dict[str, int] = {}
    threads: dict[tuple[str, str], int] = {}
    events: list[dict[str, Any]] = []
    for number, (trace, hops) in enumerate(aligned):
        for index, (node, host, entered, left) in enumerate(hops):
            place = {
                "pid": processes.setdefault(host, len(processes) + 1),
                "tid": threads.setdefault((host, node), len(threads) + 1),
            }
            begin = (entered - origin) / 1000
            name = f"{trace.source}#{trace.id}"
            events.append(
                {"ph": "X", "name": name, "cat": "frame", "ts": begin,
                 "dur": max(0, left - entered) / 1000, "args": {"node": node}, **place}
            )  # fmt: skip
            if len(hops) > 1:
                phase = "s" if index == 0 else "f" if index == len(hops) - 1 else "t"
                flow = {"ph": phase, "name": name, "cat": "flow", "id": number, "ts": begin}
                events.append(flow | place | ({"bp": "e"} if phase == "f" else {}))
    return {"traceEvents": _names(processes, threads) + events, "displayTimeUnit": "ms"}


def _names(
    processes: Mapping[str, int], threads: Mapping[tuple[str, str], int]
) -> list[dict[str, Any]]:
    hosts = [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": host}}
        for host, pid in processes.items()
    ]
    nodes = [
        {"ph": "M", "name": "thread_name", "pid": processes[host], "tid": tid,
         "args": {"name": node}}
        for (host, node), tid in threads.items()
    ]  # fmt: skip
    return hosts + nodes
