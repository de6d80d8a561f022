"""What a flow prints when it ends."""

from edgeflow.core.status import FlowStatus

__all__ = ["summary"]

_HEADER = ("node", "state", "in", "out", "dropped", "errors", "restarts", "p50 ms", "p99 ms")


def summary(status: FlowStatus) -> str:
    """Return a table: frames, drops (of the links into a node), restarts and latency per node."""
    dropped: dict[str, int] = {}
    for link in status.links:
        dropped[link.target] = dropped.get(link.target, 0) + link.dropped
    rows = [_HEADER]
    rows += [
        (
            node.name,
            node.state,
            str(node.frames_in),
            str(node.frames_out),
            str(dropped.get(node.name, 0) + node.late + node.unmatched),
            str(node.errors),
            str(node.restarts),
            f"{node.process_p50_ms:.2f}",
            f"{node.process_p99_ms:.2f}",
        )
        for node in status.nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    title = f"{status.app}: ran {status.time - status.started:.1f} s"
    return "\n".join([title, *lines])
