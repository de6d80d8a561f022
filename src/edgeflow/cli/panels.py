"""What a running flow tells, as rich tables. Pure: nothing is read here."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgeflow.cli.figures import count, duration, milliseconds, rate, size
from edgeflow.core.status import FlowStatus, LinkStatus, NodeStatus

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


def flow_panel(status: FlowStatus) -> RenderableType:
    """Return title, nodes, links and what is wrong, one below the other."""
    up = duration(status.time - status.started)
    title = Text.assemble(
        (status.app, "bold"), f"  {status.mode}  ", _state(status.state), f"  up {up}"
    )
    parts: list[RenderableType] = [title, Text(), node_table(status.nodes)]
    if status.links:
        parts += [Text(), link_table(status.links)]
    problems = problems_of(status)
    if problems:
        parts += [Text(), *problems]
    return Group(*parts)


def node_table(nodes: list[NodeStatus]) -> Table:
    """Return a row per node: state, rates, totals, time in user code."""
    table = _table("node", "role", "state")
    for heading in ("in/s", "out/s", "in", "out", "errors", "restarts", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for node in nodes:
        table.add_row(
            _name(node),
            node.role,
            _state(node.state),
            rate(node.rate_in),
            rate(node.rate_out),
            count(node.frames_in),
            count(node.frames_out),
            _alarm(node.errors),
            _alarm(node.restarts),
            milliseconds(node.process_p50_ms),
            milliseconds(node.process_p99_ms),
        )
    return table


def link_table(links: list[LinkStatus]) -> Table:
    """Return a row per link: transport, rate, queue, drops, time on the way."""
    table = _table("link", "qos", "via")
    for heading in ("rate/s", "queue", "dropped", "again", "bytes", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for link in links:
        codec = f" {link.codec}" if link.codec != "raw" else ""
        table.add_row(
            f"{link.source} → {link.target}",
            link.qos,
            (link.via or "-") + codec,
            rate(link.rate),
            f"{link.depth}/{link.capacity}",
            _alarm(link.dropped, style="yellow"),
            count(link.redelivered),
            size(link.bytes),
            milliseconds(link.latency_p50_ms),
            milliseconds(link.latency_p99_ms),
        )
    return table


def problems_of(status: FlowStatus) -> list[Text]:
    """Return a line per node that has something to say about its last error."""
    lines = []
    for node in status.nodes:
        if node.last_error:
            last = node.last_error.strip().splitlines()[-1][:_MAX_ERROR]
            place = f"  ({node.place})" if node.place else ""
            lines.append(Text.assemble((node.name, "red"), f": {last}", (place, "dim")))
    return lines


def _table(*left: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in left:
        table.add_column(heading, no_wrap=True)
    return table


def _name(node: NodeStatus) -> Text:
    alive = f" {node.alive}/{node.replicas}" if node.replicas > 1 else ""
    return Text.assemble((node.name, "bold"), alive)


def _state(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, ""))


def _alarm(value: int, style: str = "red") -> Text:
    return Text(count(value), style=style if value else "")
