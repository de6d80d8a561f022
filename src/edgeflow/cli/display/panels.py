"""What a running flow tells, as rich tables."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeflow.cli.display.columns import Column, table_of
from edgeflow.cli.display.figures import count, duration, milliseconds, rate, relative, size
from edgeflow.core.status import ClockStatus, FlowStatus, LinkStatus, NodeStatus

__all__ = ["flow_panel", "link_table", "node_table", "problems_of"]

_COLOURS = {
    "running": "green",
    "starting": "yellow",
    "restarting": "yellow",
    "lost": "bold red",
    "failed": "bold red",
    "finished": "dim",
    "stopped": "dim",
}
_MAX_ERROR = 200


def flow_panel(status: FlowStatus, width: int = 160) -> RenderableType:
    """Return title, nodes, links and what is wrong, one below the other, in ``width`` columns."""
    up = duration(status.time - status.started)
    title = Text.assemble(
        (status.app, "bold"), f"  {status.mode}  ", _state(status.state), f"  up {up}"
    )
    parts: list[RenderableType] = [title, Text(), node_table(status.nodes, width)]
    if status.links:
        parts += [Text(), link_table(status.links, width)]
    if status.clocks:
        parts += [Text(), *[_clock(each) for each in status.clocks]]
    problems = problems_of(status)
    if problems:
        parts += [Text(), *problems]
    return Group(*parts)


def node_table(nodes: list[NodeStatus], width: int = 160) -> Table:
    """Return a row per node: state, rates, totals, time in user code."""
    columns = [
        Column("node", [_name(node) for node in nodes], 11, left=True),
        Column("role", [node.role for node in nodes], 1, left=True),
        Column("state", [_state(node.state) for node in nodes], 10, left=True),
        Column("in/s", [rate(node.rate_in) for node in nodes], 8),
        Column("out/s", [rate(node.rate_out) for node in nodes], 9),
        Column("in", [count(node.frames_in) for node in nodes], 2),
        Column("out", [count(node.frames_out) for node in nodes], 3),
        Column("errors", [_alarm(node.errors) for node in nodes], 6),
        Column("restarts", [_alarm(node.restarts) for node in nodes], 5),
        Column("p50 ms", [milliseconds(node.process_p50_ms) for node in nodes], 4),
        Column("p99 ms", [milliseconds(node.process_p99_ms) for node in nodes], 7),
    ]
    return table_of(columns, width)


def link_table(links: list[LinkStatus], width: int = 160) -> Table:
    """Return a row per link: transport, rate, queue, drops, time on the way."""
    columns = [
        Column("link", [f"{link.source} → {link.target}" for link in links], 10, left=True),
        Column("qos", [link.qos for link in links], 3, left=True),
        Column("via", [_transport(link) for link in links], 4, left=True),
        Column("rate/s", [rate(link.rate) for link in links], 9),
        Column("queue", [f"{link.depth}/{link.capacity}" for link in links], 6),
        Column("dropped", [_alarm(link.dropped, style="yellow") for link in links], 8),
        Column("again", [count(link.redelivered) for link in links], 1),
        Column("bytes", [size(link.bytes) for link in links], 2),
        Column("p50 ms", [milliseconds(link.latency_p50_ms) for link in links], 5),
        Column("p99 ms", [milliseconds(link.latency_p99_ms) for link in links], 7),
    ]
    return table_of(columns, width)


def _clock(clock: ClockStatus) -> Text:
    return Text(
        f"clock of {clock.host}: {clock.offset_ms:+.3f} ms from ours, ± {clock.error_ms:.3f} ms",
        style="dim",
    )


def problems_of(status: FlowStatus) -> list[Text]:
    """Return a line per node that has something to say about its last error."""
    lines = []
    for node in status.nodes:
        if node.last_error:
            last = node.last_error.strip().splitlines()[-1][:_MAX_ERROR]
            place = f"  (declared at {relative(node.place)})" if node.place else ""
            lines.append(Text.assemble((node.name, "red"), f": {last}", (place, "dim")))
    return lines


def _transport(link: LinkStatus) -> str:
    return (link.via or "-") + (f" {link.codec}" if link.codec != "raw" else "")


def _name(node: NodeStatus) -> Text:
    alive = f" {node.alive}/{node.replicas}" if node.replicas > 1 else ""
    return Text.assemble((node.name, "bold"), alive)


def _state(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, ""))


def _alarm(value: int, style: str = "red") -> Text:
    return Text(count(value), style=style if value else "")
